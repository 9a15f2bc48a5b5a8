"""Django's WSGI application behind an ASGI server: each call is answered in one of a few threads.

A thread is taken once a call has arrived as a whole, and given back when Django has made the answer. Only an
answer that is made while it is sent (a stream) keeps its thread for as long as its caller takes, and a
quarter of the threads at most is kept by callers who are slow. Whoever sends or takes less than LEAST_RATE
is hung up on (docs/adr/0026-threads-for-whole-calls.md).
"""

import asyncio
import contextlib
import logging
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TookTooLong
from http import HTTPStatus
from queue import SimpleQueue
from typing import IO, Any
from urllib.parse import unquote_to_bytes

from starlette.types import Message, Receive, Scope, Send

from osgp.web_server.budget import Budget
from osgp.web_server.lines import Line

logger = logging.getLogger(__name__)

MOST_BODY = 8 * 1024 * 1024
"""Octets of a body. Django and the API have limits of their own, which are smaller."""
MOST_IN_MEMORY = 64 * 1024
"""Octets of a body that are kept in memory; longer ones are written to a file."""
MOST_BODIES = 256 * 1024 * 1024
"""Octets of all bodies that have not arrived as a whole."""
MOST_ANSWERS = 64 * 1024 * 1024
"""Octets of all answers that wait in memory for their callers."""
BODY_SECONDS = 30.0
"""How long a body may take to arrive, beside what it takes at LEAST_RATE."""
SEND_SECONDS = 30.0
"""How long a caller may take to accept an answer, likewise."""
LEAST_RATE = 32 * 1024
"""Octets per second that a caller sends or takes at least."""
PIECE = 64 * 1024
"""Octets of an answer that are sent at a time."""
MOST_COLLECTED = 4 * 1024 * 1024
"""Octets of an answer of known length, such as a static file, that does not keep its thread."""
QUICK = 0.05
"""Seconds in which callers who are not slow take a piece of a stream."""

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class HungUp(Exception):
    """Nobody takes the rest of the answer."""


class WsgiBridge:
    """ASGI application that answers with a WSGI application. Close it: it has ``threads`` threads."""

    def __init__(self, application: Application, threads: int) -> None:
        self._application = application
        self._bodies, self._answers = Budget(MOST_BODIES), Budget(MOST_ANSWERS)
        self._slow = threading.BoundedSemaphore(max(1, threads // 4))
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        # Daemons: a call that waits for a meter is no reason for the process to stay.
        self._threads = [
            threading.Thread(target=self._work, name=f"web-{number}", daemon=True)
            for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def close(self, seconds: float) -> None:
        """End the threads, and wait for those at work, each for that long at most."""
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join(seconds)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one call."""
        line: Line = scope["state"]["line"]
        with tempfile.SpooledTemporaryFile(MOST_IN_MEMORY) as body:
            try:
                refusal = await self._read_body(line, receive, body)
            finally:
                self._bodies.release(line)
            if refusal is not None:
                await _refuse(send, refusal)
                return
            loop = asyncio.get_running_loop()
            exchange = _Exchange(line, send, loop, self._slow)
            environ = make_environ(scope, body)
            ended: asyncio.Future[tuple[list[Message], bytes]] = loop.create_future()
            self._jobs.put(lambda: _perform(exchange, self._application, environ, ended))
            try:
                start, rest = await ended
            except HungUp as reason:
                logger.info("an answer is not taken: %s", reason)
                await _hang_up(line)
                return
        await self._send_rest(line, send, start, rest)

    async def _read_body(self, line: Line, receive: Receive, body: IO[bytes]) -> HTTPStatus | None:
        """Read the whole body; return with what to refuse it, if so."""
        length = 0
        loop = asyncio.get_running_loop()
        limit = loop.time() + BODY_SECONDS
        try:
            async with asyncio.timeout_at(limit) as timeout:
                while True:
                    message = await receive()
                    if message["type"] != "http.request":
                        return HTTPStatus.BAD_REQUEST
                    length += len(message["body"])
                    if length > MOST_BODY:
                        return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
                    body.write(message["body"])
                    if not message["more_body"]:
                        body.seek(0)
                        return None
                    self._bodies.keep(line, len(message["body"]))
                    timeout.reschedule(limit + length / LEAST_RATE)
        except TimeoutError:
            return HTTPStatus.REQUEST_TIMEOUT

    async def _send_rest(self, line: Line, send: Send, start: list[Message], rest: bytes) -> None:
        """Send what no thread is needed for any more, in the time that it may take."""
        self._answers.keep(line, len(rest))
        try:
            async with asyncio.timeout(SEND_SECONDS + len(rest) / LEAST_RATE):
                for message in start:
                    await send(message)
                for at in range(0, len(rest) or 1, PIECE):
                    await send(_body(rest[at : at + PIECE], more=at + PIECE < len(rest)))
                await line.flush()
        except TimeoutError:
            logger.info("an answer is not taken: its time is up")
            await _hang_up(line)
        finally:
            self._answers.release(line)


async def _hang_up(line: Line) -> None:
    line.hang_up()
    await asyncio.sleep(0)  # The server notices it, and takes the call for ended.


class _Exchange:
    """What a thread needs to answer a call. ``slow``: how many threads slow callers may keep."""

    def __init__(
        self, line: Line, send: Send, loop: asyncio.AbstractEventLoop, slow: threading.Semaphore
    ) -> None:
        self.loop = loop
        self.line = line
        self._send = send
        self._slow = slow
        self._start: Message | None = None
        self._length: int | None = None
        self._sent = 0
        self._waited = 0.0

    def start_response(
        self, status: str, headers: list[tuple[str, str]], error: Any = None
    ) -> Callable[[bytes], Any]:
        """As in PEP 3333, without the write callable, which nothing uses any more."""
        # Django's cookies begin with a blank, which is no part of a value.
        encoded = [
            (name.lower().encode("latin-1"), value.strip().encode("latin-1")) for name, value in headers
        ]
        self._length = next((int(value) for name, value in encoded if name == b"content-length"), None)
        self._start = {"type": "http.response.start", "status": int(status[:3]), "headers": encoded}
        return _refuse_write

    def answer(self, content: Iterable[bytes]) -> tuple[list[Message], bytes]:
        """Make the answer, and send it but for its end, which is returned: most answers are nothing else.

        The end has no start before it if something was sent.
        """
        is_made = not getattr(content, "streaming", True)
        if is_made or (self._length is not None and self._length <= MOST_COLLECTED):
            return self._take_start(), b"".join(content)
        pieces = iter(content) if self._length is None else _join(content, PIECE)
        last = b""
        for piece in pieces:
            if last:
                self._send_now([*self._take_start(), _body(last, more=True)])
                self._sent += len(last)
            last = piece
        return self._take_start(), last

    def _take_start(self) -> list[Message]:
        start, self._start = self._start, None
        return [] if start is None else [start]

    def _send_now(self, messages: list[Message]) -> None:
        if self.line.is_lost:
            raise HungUp("the caller has hung up")
        sent = asyncio.run_coroutine_threadsafe(self._send_all(messages), self.loop)
        try:
            sent.result(QUICK)
        except TookTooLong:
            self._wait_for_caller(sent)

    def _wait_for_caller(self, sent: "Future[None]") -> None:
        """Wait for a caller who is slow. Raises HungUp once that has taken too long in all."""
        if not self._slow.acquire(blocking=False):
            sent.cancel()
            raise HungUp("too many callers are slow")
        begun = time.monotonic()
        try:
            sent.result(max(0.0, SEND_SECONDS + self._sent / LEAST_RATE - self._waited))
        except TookTooLong:
            sent.cancel()
            raise HungUp("its time is up") from None
        finally:
            self._slow.release()
            self._waited += time.monotonic() - begun

    async def _send_all(self, messages: list[Message]) -> None:
        for message in messages:
            await self._send(message)


def _perform(
    exchange: _Exchange, application: Application, environ: dict[str, Any], ended: "asyncio.Future[Any]"
) -> None:
    """In a thread: answer the call, and say so in the event loop."""
    try:
        content = application(environ, exchange.start_response)
        try:
            answer = exchange.answer(content)
        finally:
            # Django's request is over only then.
            if hasattr(content, "close"):
                content.close()
    except BaseException as error:  # noqa: BLE001 (raised in the event loop)
        outcome: Callable[[], None] = lambda error=error: ended.set_exception(error)  # type: ignore[misc] # noqa: E731
    else:
        outcome = lambda: ended.set_result(answer)  # noqa: E731
    with contextlib.suppress(RuntimeError):  # The loop has ended.
        exchange.loop.call_soon_threadsafe(lambda: None if ended.done() else outcome())


async def _refuse(send: Send, status: HTTPStatus) -> None:
    """The rest of the body is not read, so the connection ends with the answer."""
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": int(status), "headers": headers})
    await send(_body(status.phrase.encode(), more=False))


def make_environ(scope: Scope, body: IO[bytes]) -> dict[str, Any]:
    """Return the environment of PEP 3333 for a call with this body, which is at its beginning."""
    host, port = scope["client"] or ("", 0)
    server, server_port = scope["server"] or ("localhost", 0)
    line: Line = scope["state"]["line"]
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        # The octets as they came: the server's own path has lost those that are no UTF-8.
        "PATH_INFO": unquote_to_bytes(scope["raw_path"]).decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": server,
        "SERVER_PORT": str(server_port),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": host,
        "REMOTE_PORT": str(port),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.input": body,
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        # For calls that wait (osgp/requests/api/waiting.py).
        "osgp.has_hung_up": lambda: line.is_lost,
    }
    for name, value in _list_headers(scope):
        joined = "; " if name == "HTTP_COOKIE" else ","
        environ[name] = f"{environ[name]}{joined}{value}" if name in environ else value
    if environ.pop("HTTP_TRANSFER_ENCODING", None):
        body.seek(0, 2)
        environ["CONTENT_LENGTH"] = str(body.tell())
        body.seek(0)
    return environ


def _list_headers(scope: Scope) -> Iterator[tuple[str, str]]:
    for octets, value in scope["headers"]:
        name = octets.decode("latin-1")
        # In an environment it could not be told from the name with a hyphen, which a proxy may have set.
        if "_" in name:
            continue
        name = name.upper().replace("-", "_")
        yield name if name in ("CONTENT_LENGTH", "CONTENT_TYPE") else f"HTTP_{name}", value.decode("latin-1")


def _join(content: Iterable[bytes], size: int) -> Iterator[bytes]:
    """Put small pieces together."""
    piece = bytearray()
    for each in content:
        piece += each
        if len(piece) >= size:
            yield bytes(piece)
            piece.clear()
    if piece:
        yield bytes(piece)


def _body(content: bytes, *, more: bool) -> Message:
    return {"type": "http.response.body", "body": content, "more_body": more}


def _refuse_write(_: bytes) -> None:
    raise NotImplementedError("answers are iterables")
