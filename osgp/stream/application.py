"""The ASGI application of the stream: ``GET /api/v1/events/`` as server-sent events."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from http import HTTPStatus
from typing import Any

from django.db import DatabaseError, InterfaceError
from rest_framework.exceptions import AuthenticationFailed, NotAuthenticated, ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from osgp.faults import Fault
from osgp.processes import clocks
from osgp.processes.database import format_in_one_line
from osgp.requests.problems import build_fault_problem, build_problem, build_validation_problem
from osgp.stream import access
from osgp.stream.hub import Full, Hub
from osgp.stream.listeners import Listener
from osgp.stream.selection import Query, Selection, parse_query

logger = logging.getLogger(__name__)

PATH = "/api/v1/events/"
MEDIA_TYPE = "application/problem+json"
LONGEST_QUERY = 8 * 1024
"""Octets; what uvicorn takes as a head is twice that."""
ANSWER_SECONDS = 30.0
"""How long the checks of a call may take, the database included. After a restart thousands wait in line, and
browsers that are answered with an error do not connect again by themselves.
"""
RETRY = 2_000
"""Milliseconds after which a browser connects again when the connection is lost."""
RETRY_AFTER = "5"
"""Seconds, for those who are refused for now."""

_HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    # nginx, and what follows it, would collect an answer before it hands it on.
    "X-Accel-Buffering": "no",
}


def make_application(hub: Hub, fallback: Callable[..., Awaitable[None]] | None = None) -> Starlette:
    """Return the application; ``fallback``, an ASGI application, answers all other paths."""
    stream = Route(PATH, partial(listen, hub), methods=["GET"])
    # Starlette adds it; its answer would never end.
    stream.methods = {"GET"}
    routes: list[BaseRoute] = [stream]
    if fallback is None:
        routes += [Route("/healthz", healthz), Route("/readyz", partial(readyz, hub))]
    application = Starlette(
        routes=routes, exception_handlers={HTTPException: _answer_error, Exception: _answer_failure}
    )
    if fallback is not None:
        application.router.redirect_slashes = False
        application.router.default = fallback
    return application


async def healthz(request: Request) -> Response:
    """200 as long as the process answers."""
    return JSONResponse({"status": "ok"})


async def readyz(hub: Hub, request: Request) -> Response:
    """200 if events are being read from the database, and its clock does not differ from ours; else 503."""
    checks = {"database": "ok" if hub.is_reading else "unreachable", "clock": clocks.judge()}
    is_ready = hub.is_reading and checks["clock"] != "differs"
    body = {"status": "ok" if is_ready else "unavailable", "checks": checks}
    return JSONResponse(body, status_code=200 if is_ready else 503)


async def listen(hub: Hub, request: Request) -> Response:
    """Check a call; the answer is an event stream, or a problem."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            return await _open(hub, request)
    except Fault as fault:
        return _answer(build_fault_problem(fault))
    except ValidationError as error:
        return _answer(build_validation_problem(error))
    except (NotAuthenticated, AuthenticationFailed) as error:
        problem = build_problem(error.status_code, str(error.detail), name=error.default_code.upper())
        return _answer(problem, {"WWW-Authenticate": "Bearer"})
    except Full as full:
        return _answer(build_problem(full.status, full.detail), {"Retry-After": RETRY_AFTER})
    except (DatabaseError, InterfaceError, TimeoutError) as error:
        logger.warning("a listener is refused, as the database does not answer: %s", _describe(error))
        problem = build_problem(HTTPStatus.SERVICE_UNAVAILABLE, "The database does not answer; try again.")
        return _answer(problem, {"Retry-After": RETRY_AFTER})


async def _open(hub: Hub, request: Request) -> Response:
    access.check_host(request.headers.get("host", ""))
    query = _read_query(request)
    headers = dict(request.headers)
    granted = await hub.readers.run(access.authenticate, headers, request.cookies)
    selection = Selection(granted.organisation, query.kinds, query.devices)
    listener = Listener(granted, selection, request.state.line)
    hub.enter(listener)
    try:
        listener.position, first = await hub.find_start(query.after)
    except BaseException:
        hub.leave(listener)
        raise
    return EventStream(hub, listener, first)


def _read_query(request: Request) -> Query:
    if len(request.scope["query_string"]) > LONGEST_QUERY:
        raise ValidationError({"": [f"The query may have {LONGEST_QUERY} octets."]})
    return parse_query(request.query_params.multi_items(), request.headers.get("last-event-id", ""))


class EventStream(Response):
    """The answer to a listener, which lasts until one of both ends it."""

    media_type = "text/event-stream"

    def __init__(self, hub: Hub, listener: Listener, first: bytes) -> None:
        super().__init__(headers=_HEADERS)
        # Its length is not known.
        del self.headers["content-length"]
        self._hub = hub
        self._listener = listener
        self._first = first

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send events until nothing more will come."""
        hub, listener = self._hub, self._listener

        async def send_chunk(chunk: bytes) -> None:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
            listener.note_sent()

        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await send_chunk(b"retry: %d\n\n" % RETRY + self._first)
            await hub.catch_up(listener, send_chunk)
            while chunk := await listener.next_chunk():
                await send_chunk(chunk)
            await send({"type": "http.response.body", "body": b""})
        finally:
            hub.leave(listener)


def _answer(problem: dict[str, Any], headers: dict[str, str] | None = None) -> Response:
    answer = JSONResponse(problem, status_code=problem["status"], headers=headers, media_type=MEDIA_TYPE)
    answer.headers["Cache-Control"] = "no-store"
    return answer


async def _answer_error(request: Request, error: Exception) -> Response:
    """A path that is not there, or a method that is not allowed."""
    assert isinstance(error, HTTPException)
    detail = "There is nothing here." if error.status_code == HTTPStatus.NOT_FOUND else error.detail
    return _answer(build_problem(error.status_code, detail), dict(error.headers or {}))


async def _answer_failure(request: Request, error: Exception) -> Response:
    """A programming error; the traceback is only in the log."""
    detail = "The platform failed to answer; its log tells why."
    return _answer(build_problem(HTTPStatus.INTERNAL_SERVER_ERROR, detail))


def _describe(error: Exception) -> str:
    return format_in_one_line(error) or type(error).__name__
