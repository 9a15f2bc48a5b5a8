"""Callers who send or take slowly, or never: others are answered all the same."""

import socket
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import pytest

from osgp.web_server import bridge
from tests.processes import PATIENCE, eventually
from tests.web_server.test_bridge import Application, Environ, bridged, call

HEAD = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
LARGE = 2 * 1024 * 1024


class Made(list[bytes]):
    """An answer of Django that is no stream."""

    streaming = False


def answer_by_path(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    """/large, /stream, which never ends, and a short answer to all else."""
    start_response("200 OK", [])
    if environ["PATH_INFO"] == "/stream":
        return (bytes(100_000) for _ in iter(int, 1))
    return Made([bytes(LARGE // 8)] * 8 if environ["PATH_INFO"] == "/large" else [bytes(10)])


@contextmanager
def calling(port: int, *calls: bytes) -> Iterator[list[socket.socket]]:
    """Callers who send what is given, and take nothing."""
    with ExitStack() as stack:
        callers = []
        for content in calls:
            caller = stack.enter_context(socket.socket())
            caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            caller.settimeout(PATIENCE)
            caller.connect(("127.0.0.1", port))
            caller.sendall(content)
            callers.append(caller)
        yield callers


def ask(path: bytes) -> bytes:
    return HEAD.replace(b" / ", b" /" + path + b" ")


def is_cut(caller: socket.socket) -> bool:
    """Whether the connection ends before all of a large answer has come."""
    taken = 0
    with suppress(ConnectionError):
        while octets := caller.recv(65536):
            taken += len(octets)
    return taken < LARGE


def test_callers_who_take_nothing_keep_no_thread() -> None:
    with bridged(answer_by_path, threads=1) as port, calling(port, *[ask(b"large")] * 4):
        assert call(port, "GET", "/") == (200, bytes(10))


def test_what_is_kept_for_them_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bridge, "MOST_ANSWERS", 2 * LARGE + 1000)
    with bridged(answer_by_path, threads=1) as port, calling(port, *[ask(b"large")] * 3) as callers:
        assert call(port, "GET", "/")[0] == 200
        # The one who has been waited for longest goes.
        assert [is_cut(caller) for caller in callers] == [True, False, False]
        assert call(port, "GET", "/large") == (200, bytes(LARGE))


def test_callers_who_take_too_long_are_hung_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bridge, "SEND_SECONDS", 0.3)
    monkeypatch.setattr(bridge, "LEAST_RATE", 1e9)
    with bridged(answer_by_path) as port, calling(port, ask(b"large")) as [caller]:
        time.sleep(0.5)
        assert is_cut(caller)


def test_an_answer_that_the_kernel_does_not_take_has_a_deadline_as_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its last octets are written to the connection, which is to be closed; they wait there."""
    monkeypatch.setattr(bridge, "SEND_SECONDS", 0.3)
    monkeypatch.setattr(bridge, "LEAST_RATE", 1e9)
    monkeypatch.setattr(bridge, "PIECE", LARGE)
    with bridged(answer_by_path) as port, calling(port, ask(b"large")) as [caller]:
        time.sleep(0.5)
        assert is_cut(caller)


def test_streams_keep_a_quarter_of_the_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    with bridged(answer_by_path, threads=4) as port, calling(port, *[ask(b"stream")] * 6) as callers:
        for _ in range(3):
            assert call(port, "GET", "/") == (200, bytes(10))
        # All but one are cut.
        cut = set()

        def look() -> bool:
            for caller in callers:
                caller.settimeout(0.01)
                try:
                    if not caller.recv(65536):
                        cut.add(caller)
                except TimeoutError:
                    pass
                except ConnectionError:
                    cut.add(caller)
            return len(cut) >= 5

        eventually(look, "the callers who are slow to be cut off")


@pytest.mark.parametrize("chunked", [False, True])
def test_bodies_that_come_octet_by_octet_are_given_up(monkeypatch: pytest.MonkeyPatch, chunked: bool) -> None:
    monkeypatch.setattr(bridge, "BODY_SECONDS", 0.5)
    kind = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: 1000000"
    head = b"POST / HTTP/1.1\r\nHost: x\r\n" + kind + b"\r\n\r\n"
    with bridged(Application()) as port, calling(port, head) as [caller]:
        caller.settimeout(0.1)
        answer = b""
        for _ in range(1000):
            with suppress(OSError):
                caller.sendall(b"1\r\n1\r\n" if chunked else b"1")
            with suppress(TimeoutError):
                answer = caller.recv(100)
                break
        assert answer.startswith(b"HTTP/1.1 408")


def test_bodies_that_are_on_their_way_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bridge, "MOST_BODIES", 250_000)
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"
    with bridged(Application()) as port, calling(port, *[head + bytes(100_000)] * 4) as callers:
        assert callers[0].recv(100) == b""
        assert call(port, "POST", "/", bytes(200_000))[0] == 200


def test_there_is_room_for_a_call_however_many_are_half_sent() -> None:
    idle, body = b"", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n12"
    with (
        bridged(Application(), connections=20) as port,
        calling(port, *[HEAD[:-2], idle, body] * 20) as callers,
    ):
        for _ in range(3):
            assert call(port, "GET", "/")[0] == 200
        with suppress(ConnectionError):
            assert callers[0].recv(100) == b""


def test_who_is_being_answered_does_not_have_to_give_way() -> None:
    with bridged(answer_by_path, connections=10) as port, calling(port, *[ask(b"large")] * 3) as busy:
        assert call(port, "GET", "/")[0] == 200
        with calling(port, *[HEAD[:-2]] * 30):
            assert call(port, "GET", "/")[0] == 200
        assert [is_cut(caller) for caller in busy] == [False] * 3
