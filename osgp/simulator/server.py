"""Listens for a fleet of meters."""

import asyncio
import contextlib

from .codec.errors import RemoteProtocolError
from .codec.hdlc import FLAG
from .connection import Connection
from .fleet import Fleet
from .hdlc_link import HdlcLink
from .links import Link, WrapperLink

BACKLOG = 4_096
SWEEP_SECONDS = 1.0
_WRAPPER_FIRST_OCTET = 0x00


class SimulatorServer:
    """The ports of a fleet. Use within one running event loop: ``await start()`` and ``await stop()``.

    The first port is ``port``, or any free one for 0; further ports follow it, or are any free ones.
    """

    def __init__(self, fleet: Fleet, host: str = "127.0.0.1", port: int = 0) -> None:
        self.fleet = fleet
        self.host = host
        self.port = port
        self.connections: set[Connection] = set()
        self._servers: list[asyncio.Server] = []
        self._sweeper: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen on all ports; OSError when one of them is taken."""
        loop = asyncio.get_running_loop()
        ports = []
        try:
            for index in range(self.fleet.port_count):
                server = await loop.create_server(
                    lambda index=index: Connection(self, index),  # type: ignore[misc]
                    self.host,
                    self.port + index if self.port else 0,
                    backlog=BACKLOG,
                )
                self._servers.append(server)
                ports.append(server.sockets[0].getsockname()[1])
        except OSError:
            await self.stop()
            raise
        self.fleet.host = self.host
        self.fleet.ports = tuple(ports)
        self._sweeper = loop.create_task(self._sweep())

    async def stop(self) -> None:
        """Hang up and listen no more."""
        if self._sweeper is not None:
            self._sweeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._sweeper
            self._sweeper = None
        for server in self._servers:
            server.close()
        for connection in tuple(self.connections):
            connection.close()
        for server in self._servers:
            await server.wait_closed()
        self._servers.clear()

    def link_for(self, first_octet: int) -> Link:
        """The link that a connection speaks, told by its first octet."""
        if first_octet == _WRAPPER_FIRST_OCTET:
            return WrapperLink()
        if first_octet == FLAG:
            return HdlcLink()
        raise RemoteProtocolError(f"{first_octet:#04x} begins neither a wrapper frame nor an HDLC frame")

    async def _sweep(self) -> None:
        """Close connections that have been silent for too long."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            silent_since = loop.time() - self.fleet.settings.idle_seconds
            for connection in tuple(self.connections):
                if connection.last_activity < silent_since:
                    connection.close()
