"""Django's WSGI application behind an ASGI server: each call is answered in one of a few threads.

The server reads bodies and buffers answers, so a thread is taken only for the time that Django works, or
when a caller is slow to take a long answer.
"""

import asyncio
import contextlib
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import TimeoutError as TookTooLong
from http import HTTPStatus
from queue import SimpleQueue
from typing import IO, Any
from urllib.parse import unquote_to_bytes

from starlette.types import Message, Receive, Scope, Send

from osgp.stream.lines import Line

MOST_BODY = 64 * 1024 * 1024
"""Octets of a body. Django has its own, smaller limit for what is no file."""
MOST_IN_MEMORY = 1024 * 1024
"""Octets of a body that are kept in memory; longer ones are written to a file."""
BODY_SECONDS = 60.0
"""How long each piece of a body may take to arrive."""
SEND_SECONDS = 60.0
"""How long a caller may take to accept a piece of an answer."""
PIECE = 256 * 1024
"""Octets of an answer of known length that are sent at a time."""

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class HungUp(Exception):
    """Nobody takes the rest of the answer."""


class WsgiBridge:
    """ASGI application that answers with a WSGI application. Close it: it has ``threads`` threads."""

    def __init__(self, application: Application, threads: int) -> None:
        self._application = application
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
        with tempfile.SpooledTemporaryFile(MOST_IN_MEMORY) as body:
            refusal = await _read_body(receive, body)
            if refusal is not None:
                await _refuse(send, refusal)
                return
            loop = asyncio.get_running_loop()
            exchange = _Exchange(scope, send, loop)
            environ = make_environ(scope, body)
            ended: asyncio.Future[list[Message]] = loop.create_future()
            self._jobs.put(lambda: _perform(exchange, self._application, environ, ended))
            try:
                messages = await ended
            except HungUp:
                exchange.line.hang_up()
                await asyncio.sleep(0)  # The server notices it, and takes the call for ended.
                return
            for message in messages:
                await send(message)


class _Exchange:
    """What a thread needs to answer a call."""

    def __init__(self, scope: Scope, send: Send, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._send = send
        self.line: Line = scope["state"]["line"]
        self._start: Message | None = None
        self._length_is_known = False

    def start_response(
        self, status: str, headers: list[tuple[str, str]], error: Any = None
    ) -> Callable[[bytes], Any]:
        """As in PEP 3333, without the write callable, which nothing uses any more."""
        # Django's cookies begin with a blank, which is no part of a value.
        encoded = [
            (name.lower().encode("latin-1"), value.strip().encode("latin-1")) for name, value in headers
        ]
        self._length_is_known = any(name == b"content-length" for name, _ in encoded)
        self._start = {"type": "http.response.start", "status": int(status[:3]), "headers": encoded}
        return _refuse_write

    def answer(self, content: Iterable[bytes]) -> list[Message]:
        """Send the answer but for its last piece, which is returned: most answers have no other one."""
        pieces = _join(content, PIECE) if self._length_is_known else iter(content)
        last = b""
        for piece in pieces:
            if last:
                self._send_now([*self._take_start(), _body(last, more=True)])
            last = piece
        return [*self._take_start(), _body(last, more=False)]

    def _take_start(self) -> list[Message]:
        start, self._start = self._start, None
        return [] if start is None else [start]

    def _send_now(self, messages: list[Message]) -> None:
        if self.line.is_lost:
            raise HungUp("the caller has hung up")
        sent = asyncio.run_coroutine_threadsafe(self._send_all(messages), self.loop)
        try:
            sent.result(SEND_SECONDS)
        except TookTooLong:
            sent.cancel()
            raise HungUp("the caller takes nothing") from None

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
            messages = exchange.answer(content)
        finally:
            # Django's request is over only then.
            if hasattr(content, "close"):
                content.close()
    except BaseException as error:  # noqa: BLE001 (raised in the event loop)
        outcome: Callable[[], None] = lambda error=error: ended.set_exception(error)  # type: ignore[misc] # noqa: E731
    else:
        outcome = lambda: ended.set_result(messages)  # noqa: E731
    with contextlib.suppress(RuntimeError):  # The loop has ended.
        exchange.loop.call_soon_threadsafe(lambda: None if ended.done() else outcome())


async def _read_body(receive: Receive, body: IO[bytes]) -> HTTPStatus | None:
    """Read the whole body; return with what to refuse it, if so."""
    length = 0
    while True:
        try:
            async with asyncio.timeout(BODY_SECONDS):
                message = await receive()
        except TimeoutError:
            return HTTPStatus.REQUEST_TIMEOUT
        if message["type"] != "http.request":
            return HTTPStatus.BAD_REQUEST
        length += len(message["body"])
        if length > MOST_BODY:
            return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        body.write(message["body"])
        if not message["more_body"]:
            body.seek(0)
            return None


async def _refuse(send: Send, status: HTTPStatus) -> None:
    """The rest of the body is not read, so the connection ends with the answer."""
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": int(status), "headers": headers})
    await send(_body(status.phrase.encode(), more=False))


def make_environ(scope: Scope, body: IO[bytes]) -> dict[str, Any]:
    """Return the environment of PEP 3333 for a call with this body, which is at its beginning."""
    host, port = scope["client"] or ("", 0)
    server, server_port = scope["server"] or ("localhost", 0)
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
