"""A receiver of notifications on a real socket: it keeps what came, and answers as it is told."""

import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Received:
    """One request as it came; header names are in lower case."""

    line: str
    headers: dict[str, str]
    body: bytes
    connection: int
    """Number of the connection, from 1 on."""


Answer = Callable[[socket.socket, Received], bool]
"""Answers a request; returns whether to wait for another one on the connection."""


def saying(status: int, body: bytes = b"", headers: str = "") -> Answer:
    """An answer that leaves the connection open."""

    def answer(line: socket.socket, _: Received) -> bool:
        head = f"HTTP/1.1 {status} Something\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
        line.sendall(head.encode() + body)
        return True

    return answer


def sending(data: bytes) -> Answer:
    """These octets, and then the end of the connection."""

    def answer(line: socket.socket, _: Received) -> bool:
        line.sendall(data)
        return False

    return answer


class Receiver:
    """Context manager: listens until it is left. ``answers`` are taken in turn, then ``answer`` for ever."""

    def __init__(
        self, answer: Answer | None = None, *, host: str = LOOPBACK, tls: ssl.SSLContext | None = None
    ) -> None:
        self.answer = answer or saying(204)
        self.answers: list[Answer] = []
        self.received: list[Received] = []
        self.connections = 0
        self.released = threading.Event()
        """Set when the receiver is left: whoever hangs ends."""
        self._tls = tls
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listening = socket.socket(family, socket.SOCK_STREAM)
        self._listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listening.bind((host, 0))
        self._listening.listen(64)
        self.port: int = self._listening.getsockname()[1]
        scheme = "https" if tls else "http"
        self.origin = f"{scheme}://{f'[{host}]' if ':' in host else host}:{self.port}"
        self.url = f"{self.origin}/hook"
        self._lines: list[socket.socket] = []

    def __enter__(self) -> Self:
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.released.set()
        with suppress(OSError):  # Otherwise the thread that waits would take one more connection.
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for line in self._lines:
            line.close()

    def hang(self, line: socket.socket, _: Received) -> bool:
        """An answer that never comes."""
        self.released.wait(30)
        return False

    def drip(self, data: bytes, pause: float) -> Answer:
        """An answer of which an octet comes now and then, without end."""

        def answer(line: socket.socket, _: Received) -> bool:
            line.sendall(data)
            while not self.released.wait(pause):
                line.sendall(b"a")
            return False

        return answer

    def wait_for(self, number: int) -> None:
        """Until so many requests came. Raises AssertionError if they do not."""
        end = time.monotonic() + 20
        while len(self.received) < number:
            assert time.monotonic() < end, f"{len(self.received)} of {number} requests came"
            time.sleep(0.01)

    def _listen(self) -> None:
        while True:
            try:
                line, _ = self._listening.accept()
            except OSError:
                return
            self._lines.append(line)
            self.connections += 1
            threading.Thread(target=self._serve, args=(line, self.connections), daemon=True).start()

    def _serve(self, line: socket.socket, number: int) -> None:
        try:
            if self._tls is not None:
                line = self._tls.wrap_socket(line, server_side=True)
            with line, line.makefile("rb") as file:
                while first := file.readline():
                    headers = {}
                    while (text := file.readline().strip()) != b"":
                        name, _, value = text.decode("latin-1").partition(":")
                        headers[name.lower()] = value.strip()
                    body = file.read(int(headers.get("content-length", "0")))
                    received = Received(first.decode().strip(), headers, body, number)
                    self.received.append(received)
                    answer = self.answers.pop(0) if self.answers else self.answer
                    if not answer(line, received):
                        return
        except OSError:
            return
