"""Calls that reach a WSGI application through the event loop, over real sockets."""

import asyncio
import http.client
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.test import Client

from osgp.accounts.models import User
from osgp.embedded.web import WebThread
from osgp.web_server import bridge
from osgp.web_server.listening import listen
from osgp.web_server.server import LineServer
from tests import factories, processes
from tests.stream.listening import PATIENCE, Listening, tell

Environ = dict[str, Any]


@contextmanager
def bridged(application: bridge.Application, threads: int = 2, connections: int = 1000) -> Iterator[int]:
    """The port on which the application is served."""
    behind = bridge.WsgiBridge(application, threads)
    listening = listen("127.0.0.1", 0, 10)
    server = LineServer(behind, connections=connections, backlog=100, stop_seconds=5)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listening])))
    thread.start()
    try:
        yield listening.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(PATIENCE)
        behind.close(PATIENCE)


class Application:
    """Keeps what it was called with, and answers with what it is told."""

    def __init__(self, content: Iterable[bytes] = (b"answer",), *headers: tuple[str, str]) -> None:
        self.content = content
        self.headers = list(headers)
        self.seen: list[tuple[Environ, bytes]] = []

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        self.seen.append((environ, environ["wsgi.input"].read()))
        start_response("200 OK", self.headers)
        return self.content


def call(port: int, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    chunked = not isinstance(body, bytes | None)
    connection.request(method, path, body, headers, encode_chunked=chunked)
    answer = connection.getresponse()
    found = answer.status, answer.read()
    connection.close()
    return found


def test_the_environment() -> None:
    application = Application()
    with bridged(application) as port, socket.create_connection(("127.0.0.1", port), PATIENCE) as caller:
        caller.sendall(
            b"GET /a%20b/%FF?x=%20&y HTTP/1.1\r\nHost: example\r\nCookie: a=1\r\nCookie: b=2\r\n"
            b"X-Two: 1\r\nX-Two: 2\r\nX_Two: spoofed\r\nConnection: close\r\n\r\n"
        )
        assert b"200 OK" in caller.recv(4096)
        [(environ, _)] = application.seen
        assert not environ["osgp.has_hung_up"]() or caller.recv(4096) == b""
    [(environ, body)] = application.seen
    assert body == b""
    assert environ["PATH_INFO"] == "/a b/\xff"
    assert environ["QUERY_STRING"] == "x=%20&y"
    assert environ["HTTP_COOKIE"] == "a=1; b=2"
    assert environ["HTTP_X_TWO"] == "1,2"
    assert environ["HTTP_HOST"] == "example"
    assert environ["REMOTE_ADDR"] == "127.0.0.1"
    assert environ["SERVER_PORT"] == str(port)
    assert environ["wsgi.url_scheme"] == "http"
    assert "CONTENT_LENGTH" not in environ
    assert environ["osgp.has_hung_up"]()


def test_bodies_of_both_kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bridge, "MOST_IN_MEMORY", 1000)
    application = Application()
    with bridged(application) as port:
        for size in (0, 10, 300_000):
            content = bytes(range(250)) * (size // 250) + bytes(size % 250)
            assert call(port, "POST", "/", content)[0] == 200
            assert call(port, "POST", "/", iter([content]), Transfer_Encoding="chunked")[0] == 200
            for environ, body in application.seen:
                assert body == content
                assert environ["CONTENT_LENGTH"] == str(size)
                assert "HTTP_TRANSFER_ENCODING" not in environ
            application.seen.clear()


def test_bodies_that_are_too_long_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bridge, "MOST_BODY", 1000)
    application = Application()
    with bridged(application) as port:
        assert call(port, "POST", "/", bytes(1000))[0] == 200
        assert call(port, "POST", "/", bytes(1001))[0] == 413
    assert len(application.seen) == 1


def test_bodies_that_do_not_come_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bridge, "BODY_SECONDS", 0.2)
    with bridged(Application()) as port, socket.create_connection(("127.0.0.1", port), PATIENCE) as caller:
        caller.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n12")
        assert caller.recv(100).startswith(b"HTTP/1.1 408")


@pytest.mark.parametrize("headers", [(), (("Content-Length", "2000000"),)], ids=["streamed", "known"])
def test_long_answers_arrive_as_they_are(headers: tuple[tuple[str, str], ...]) -> None:
    pieces = [bytes([number]) * 20_000 for number in range(100)]
    with bridged(Application(pieces, *headers)) as port:
        assert call(port, "GET", "/") == (200, b"".join(pieces))
        assert call(port, "HEAD", "/") == (200, b"")


def test_pieces_of_a_stream_are_sent_when_the_next_one_is_there() -> None:
    go_on = threading.Event()

    def produce() -> Iterator[bytes]:
        yield b"first"
        yield b"second"
        assert go_on.wait(PATIENCE)
        yield b"third"

    with bridged(Application(produce())) as port:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        connection.request("GET", "/")
        answer = connection.getresponse()
        assert answer.read(5) == b"first"
        go_on.set()
        assert answer.read() == b"secondthird"
        connection.close()


def test_who_takes_nothing_gives_the_thread_back(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(bridge, "SEND_SECONDS", 0.3)
    monkeypatch.setattr(bridge, "LEAST_RATE", 1e9)
    ended = threading.Event()

    def produce() -> Iterator[bytes]:
        try:
            while True:
                yield bytes(100_000)
        finally:
            ended.set()

    with (
        bridged(Application(produce()), threads=1) as port,
        socket.create_connection(("127.0.0.1", port), PATIENCE) as caller,
    ):
        caller.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert ended.wait(PATIENCE)
    assert "Exception" not in caplog.text


def test_values_of_headers_have_no_blanks_around_them() -> None:
    with bridged(Application((b"",), ("Set-Cookie", " a=1; Path=/"))) as port:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        connection.request("GET", "/")
        assert connection.getresponse().headers["Set-Cookie"] == "a=1; Path=/"
        connection.close()


def test_an_application_that_fails_is_a_500() -> None:
    def fail(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        raise RuntimeError("a programming error")

    with bridged(fail, threads=1) as port:
        assert call(port, "GET", "/")[0] == 500
        assert call(port, "GET", "/")[0] == 500


@pytest.mark.django_db(transaction=True)
def test_pages_and_stream_have_one_origin() -> None:
    organisation = factories.make_organisation()
    browser = Client()
    browser.force_login(User.objects.create_superuser("operator", "o@example.org", "secret of operators"))
    cookie = f"sessionid={browser.cookies['sessionid'].value}"
    with WebThread("127.0.0.1", 0) as web:
        origin = {"Cookie": cookie, "Sec-Fetch-Site": "same-origin"}
        with Listening(web.port, "", "", origin) as listener:
            assert listener.status == 200
            assert call(web.port, "GET", "/admin/", **origin)[0] == 200
            number = tell(organisation)
            assert listener.read_event().number == number
        assert call(web.port, "GET", "/api/v1/events")[0] == 308
        held = Listening(web.port, factories.make_token(organisation), "", {})
    # Whoever still listens is sent away when it ends.
    assert "retry" in held.read_to_the_end()[-1].fields
    held.close()
    processes.eventually(
        lambda: not [thread for thread in threading.enumerate() if thread.name.startswith("web")],
        "the threads of the web application to end",
    )
