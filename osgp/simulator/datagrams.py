"""The meters over UDP: for each peer a connection of its own, which lasts as long as its associations."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

from .codec.wrapper import HEADER, VERSION
from .connection import Connection
from .fleet import Fleet

MAXIMUM_PEERS = 4_096
"""Peers of one port at a time; datagrams of further ones are dropped."""

Peer = tuple[Any, ...]


class PeerTransport(asyncio.Transport):
    """What the connection of one peer writes to: each write is a datagram."""

    def __init__(self, send: Callable[[bytes, Peer], None], end: Callable[[Peer], None], peer: Peer) -> None:
        super().__init__()
        self._send = send
        self._end = end
        self._peer = peer
        self._closing = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send a datagram."""
        if not self._closing:
            self._send(bytes(data), self._peer)

    def is_closing(self) -> bool:
        """Whether it was closed."""
        return self._closing

    def close(self) -> None:
        """Hear nothing more of the peer; there is nobody to tell."""
        if not self._closing:
            self._closing = True
            asyncio.get_running_loop().call_soon(self._end, self._peer)

    def abort(self) -> None:
        """As close: nothing waits to be sent."""
        self.close()

    def pause_reading(self) -> None:
        """Do nothing: a datagram is read or lost."""

    def resume_reading(self) -> None:
        """Do nothing."""


class DatagramPort(asyncio.DatagramProtocol):
    """One port of a fleet. Its connections are among ``connections`` for as long as they are open."""

    def __init__(self, fleet: Fleet, port_index: int, connections: set[Connection]) -> None:
        self._fleet = fleet
        self._port_index = port_index
        self._connections = connections
        self._peers: dict[Peer, Connection] = {}
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The port is open."""
        # Before Python 3.12 those of asyncio do not derive from it.
        self._transport = cast(asyncio.DatagramTransport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """The port is closed."""
        self._transport = None

    def datagram_received(self, data: bytes, addr: Peer) -> None:
        """One datagram of a peer. Those without whole wrapper frames are dropped."""
        if not holds_whole_frames(data):
            return
        connection = self._peers.get(addr) or self._begin(addr)
        if connection is not None:
            connection.data_received(data)
            self._end_if_over(addr)

    def close(self) -> None:
        """Listen no more."""
        if self._transport is not None:
            self._transport.close()

    def _begin(self, peer: Peer) -> Connection | None:
        if len(self._peers) >= MAXIMUM_PEERS:
            return None
        connection = Connection(self._fleet, self._port_index, self._connections, in_datagrams=True)
        transport = PeerTransport(self._send, self._end, peer)
        self._peers[peer] = connection
        connection.connection_made(transport)
        return None if transport.is_closing() else connection

    def _send(self, octets: bytes, peer: Peer) -> None:
        if self._transport is not None:
            self._transport.sendto(octets, peer)
        asyncio.get_running_loop().call_soon(self._end_if_over, peer)

    def _end(self, peer: Peer) -> None:
        connection = self._peers.pop(peer, None)
        if connection is not None:
            connection.connection_lost(None)

    def _end_if_over(self, peer: Peer) -> None:
        connection = self._peers.get(peer)
        if connection is not None and connection.is_over:
            connection.close()


def holds_whole_frames(datagram: bytes) -> bool:
    """Whether a datagram consists of one or more wrapper frames."""
    position = 0
    while position < len(datagram):
        if len(datagram) - position < HEADER.size:
            return False
        version, _, _, length = HEADER.unpack_from(datagram, position)
        if version != VERSION:
            return False
        position += HEADER.size + length
    return 0 < position == len(datagram)
