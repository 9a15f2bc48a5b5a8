"""The id of a call, for its answer, logs and the audit trail: ``X-Request-ID``, or a new one."""

import logging
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from django.http import HttpRequest, HttpResponseBase

HEADER = "X-Request-ID"
LONGEST = 64

_WELL_FORMED = re.compile(r"[A-Za-z0-9._-]{1,64}")
_current: ContextVar[str] = ContextVar("request_id", default="")


def current() -> str:
    """Return the id of the call that is being answered; empty outside of calls."""
    return _current.get()


@contextmanager
def bind(request_id: str) -> Iterator[None]:
    """Within the block, ``current()`` is this id."""
    token = _current.set(request_id)
    try:
        yield
    finally:
        _current.reset(token)


def choose(given: str | None) -> str:
    """Return the id that a caller gave, or a new one if it gave none or one that is not well-formed."""
    if given is not None and _WELL_FORMED.fullmatch(given):
        return given
    return uuid.uuid4().hex


class RequestIdMiddleware:
    """Takes or makes the id of each call, and says it in the answer; before all other middleware."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer."""
        with bind(choose(request.headers.get(HEADER))):
            response = self._get_response(request)
            response.headers[HEADER] = current()
            return response


class RequestIdInLine(logging.Filter):
    """Gives log records ``request_id``: the id in brackets behind a blank, or nothing outside of calls."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep every record."""
        request_id = current()
        record.request_id = f" [{request_id}]" if request_id else ""
        return True
