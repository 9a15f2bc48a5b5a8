"""The connections of the server: each with deadlines that uvicorn does not have, and a way to hang up."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 10.0
"""How long the head of a call may take to arrive, the wait for its first octet included."""
DEAD_SECONDS = 60
"""Seconds without acknowledgement after which a peer is given up; the kernel waits for 15 minutes."""
SEND_BUFFER = 64 * 1024
"""Octets that the kernel holds for a peer (it doubles them); it would grow to megabytes for slow ones."""


class Line:
    """A connection, as what answers a call sees it (``scope["state"]["line"]``)."""

    __slots__ = ("_transport", "is_lost", "on_lost")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self.is_lost = False
        self.on_lost: Callable[[], None] | None = None
        """Called once the connection is gone, whoever ended it."""

    def hang_up(self) -> None:
        """End the connection at once, and drop what the peer has not taken."""
        self._transport.abort()


class LineProtocol(H11Protocol):
    """HTTP/1.1 of uvicorn, with a :class:`Line`."""

    _silence: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A peer has called."""
        super().connection_made(transport)
        self._line = Line(transport)
        self.app_state = {**self.app_state, "line": self._line}
        _prepare(transport.get_extra_info("socket"))
        self._watch()

    def data_received(self, data: bytes) -> None:
        """The peer says something."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        super().connection_lost(exc)
        self._forget_silence()
        self._line.is_lost = True
        if self._line.on_lost is not None:
            self._line.on_lost()

    def _watch(self) -> None:
        """Limit the time for a head that is not complete; between calls uvicorn's limit counts."""
        if self.cycle is not None and not self.cycle.response_complete:
            self._forget_silence()
        elif self._silence is None and self.timeout_keep_alive_task is None:
            self._silence = self.loop.call_later(HEAD_SECONDS, self._on_silence)

    def _on_silence(self) -> None:
        self._silence = None
        if self.cycle is None or self.cycle.response_complete:
            self.transport.abort()

    def _forget_silence(self) -> None:
        if self._silence is not None:
            self._silence.cancel()
            self._silence = None


def _prepare(connected: Any) -> None:
    if connected is None or connected.family == getattr(socket, "AF_UNIX", None):
        return
    # asyncio does it only for sockets that were made with IPPROTO_TCP. Head and body of an answer are two
    # pieces: without it the second one waits for the acknowledgement of the first, 40 ms.
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, DEAD_SECONDS * 1000)
