"""The connections of the server: each with deadlines that uvicorn does not have, and a way to hang up.

There is always room for a call that is sent at once: when there are as many connections as there may be,
those that have owed a complete call for longest give way.
"""

import asyncio
import socket
from collections import Counter
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 10.0
"""How long the head of a call may take to arrive, the wait for its first octet included."""
DEAD_SECONDS = 60
"""Seconds without acknowledgement after which a peer is given up; the kernel waits for 15 minutes."""
SEND_BUFFER = 64 * 1024
"""Octets that the kernel holds for a peer (it doubles them); it would grow to megabytes for slow ones."""


GIVING_WAY = 20
"""When it is full, one in so many connections has to go: looking for them takes a while."""


class Line:
    """A connection, as what answers a call sees it (``scope["state"]["line"]``)."""

    __slots__ = ("_flow", "_transport", "is_lost", "on_lost")

    def __init__(self, transport: asyncio.Transport, flow: FlowControl) -> None:
        self._transport = transport
        self._flow = flow
        self.is_lost = False
        self.on_lost: Callable[[], None] | None = None
        """Called once the connection is gone, whoever ended it."""

    def hang_up(self) -> None:
        """End the connection at once, and drop what the peer has not taken."""
        self._transport.abort()

    @property
    def is_flushed(self) -> bool:
        """Whether all that was sent is in the hands of the kernel, or will never be."""
        return self.is_lost or not self._transport.get_write_buffer_size()

    async def flush(self) -> None:
        """Wait until it is."""
        if not self.is_flushed:
            self._transport.set_write_buffer_limits(0)
            await self._flow.drain()
            self._transport.set_write_buffer_limits()


class LineProtocol(H11Protocol):
    """HTTP/1.1 of uvicorn, with a :class:`Line`."""

    _silence: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A peer has called."""
        super().connection_made(transport)
        self._line = Line(transport, self.flow)
        self._owes_since = self.loop.time()
        self.app_state = {**self.app_state, "line": self._line}
        _prepare(transport.get_extra_info("socket"))
        if self.limit_concurrency is not None and len(self.connections) >= self.limit_concurrency:
            self._make_room(self.limit_concurrency)
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

    def on_response_complete(self) -> None:
        """The call is answered; the next one may come."""
        self._owes_since = self.loop.time()
        super().on_response_complete()

    def shutdown(self) -> None:
        """The process is to end: who has not sent all of a call yet is not waited for."""
        if self.cycle is not None and not self.cycle.response_complete and self.cycle.more_body:
            self.transport.abort()
        else:
            super().shutdown()

    @property
    def owes(self) -> bool:
        """Whether the peer has yet to send a call, or the rest of one."""
        return self.cycle is None or self.cycle.response_complete or self.cycle.more_body

    def _make_room(self, most: int) -> None:
        """Hang up on those that have owed a call for longest, from the address that has most of them."""
        still: list[Any] = [other for other in self.connections if not other.transport.is_closing()]
        owing = [other for other in still if other is not self and other.owes]
        if len(still) < most or not owing:
            return
        [(address, _)] = Counter(_get_address(other) for other in owing).most_common(1)
        theirs = [other for other in owing if _get_address(other) == address]
        theirs.sort(key=lambda other: other._owes_since)
        for other in theirs[: 1 + most // GIVING_WAY]:
            other.transport.abort()

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


def _get_address(protocol: Any) -> str | None:
    return protocol.client[0] if protocol.client else None


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
