"""Listeners of the live stream in a process of their own, which knows nothing of Django."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from multiprocessing import get_context
from multiprocessing.connection import Connection
from selectors import EVENT_READ, DefaultSelector

PATIENCE = 120.0
"""Seconds."""


class Listeners:
    """Many of them, on another core than what is measured."""

    def __init__(self, port: int, token: str, number: int) -> None:
        context = get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_listen, args=(theirs, port, token, number), daemon=True)
        self._process.start()
        theirs.close()
        self._receive()

    def expect(self, count: int) -> None:
        """Have each wait for so many events."""
        self._pipe.send(count)

    def collect(self) -> list[float]:
        """Seconds from each event to each listener."""
        latencies: list[float] = self._receive()
        return latencies

    def _receive(self) -> list[float]:
        if not self._pipe.poll(PATIENCE):
            raise RuntimeError("the listeners did not get everything")
        answer: list[float] = self._pipe.recv()
        return answer

    def close(self) -> None:
        """Hang up."""
        self._process.terminate()
        self._process.join()


def _listen(pipe: Connection, port: int, token: str, number: int) -> None:
    with ExitStack() as stack, DefaultSelector() as selector:
        for caller in call(stack, port, token, number):
            read_until(caller, b"\nid: ")
            caller.setblocking(False)
            selector.register(caller, EVENT_READ)
        pipe.send([])
        rests: dict[int, bytes] = {}
        while True:
            expected = number * int(pipe.recv())
            latencies: list[float] = []
            while len(latencies) < expected:
                for key, _ in selector.select():
                    now = time.time()
                    *lines, rest = (rests.get(key.fd, b"") + key.fileobj.recv(65536)).split(b"\n")  # type: ignore[union-attr]
                    rests[key.fd] = rest
                    for line in lines:
                        if line.startswith(b"data: "):
                            latencies.append(now - json.loads(line[6:])["data"]["sent"])
            pipe.send(latencies)


def call(stack: ExitStack, port: int, token: str, number: int) -> Iterator[socket.socket]:
    """Yield new listeners, each as long as ``stack`` lasts."""
    head = (
        f"GET /api/v1/events/ HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
    )
    for _ in range(number):
        caller = stack.enter_context(socket.create_connection(("127.0.0.1", port), PATIENCE))
        caller.sendall(head)
        yield caller


def read_until(caller: socket.socket, mark: bytes) -> None:
    """Read until ``mark`` has come. Raises RuntimeError for another answer than 200."""
    text = b""
    while mark not in text:
        octets = caller.recv(4096)
        if not octets or not text.startswith(b"HTTP/1.1 200"[: len(text)]):
            raise RuntimeError(f"a listener was refused: {text[:200]!r}")
        text += octets
