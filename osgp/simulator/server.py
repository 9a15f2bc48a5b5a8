"""Listens for a fleet of meters."""

import asyncio
import contextlib
from typing import TYPE_CHECKING

from .connection import Connection
from .datagrams import DatagramPort
from .fleet import Fleet
from .push.delivery import Deadlines
from .push.pusher import Pusher
from .push.storm import Storm
from .scenario import Scenario

if TYPE_CHECKING:
    from .http import HttpServer

BACKLOG = 4_096
TRIES_FOR_A_PORT = 16
"""Until one is free for TCP and UDP."""
SWEEP_SECONDS = 1.0
PLAY_SECONDS = 0.05


class SimulatorServer:
    """The ports of a fleet. Use within one running event loop: ``await start()`` and ``await stop()``.

    Each port is one of TCP and of UDP. The first port is ``port``, or any free one for 0; further ports
    follow it, or are any free ones. With an ``http_port`` (0: any free one) there is the HTTP interface too.
    A ``scenario`` is played while the server runs. Meters push for as long as it runs, within the
    ``push_deadlines``.
    """

    def __init__(
        self,
        fleet: Fleet,
        host: str = "127.0.0.1",
        port: int = 0,
        http_port: int | None = None,
        http_host: str = "127.0.0.1",
        scenario: Scenario | None = None,
        push_deadlines: Deadlines | None = None,
    ) -> None:
        self.fleet = fleet
        self.pusher: Pusher | None = None
        self.storm: Storm | None = None
        self.host = host
        self.port = port
        self.connections: set[Connection] = set()
        self.http_port = http_port
        self.http_host = http_host
        self._http: HttpServer | None = None
        self._servers: list[asyncio.Server] = []
        self._datagram_ports: list[DatagramPort] = []
        self.scenario = scenario or Scenario()
        self._push_deadlines = push_deadlines
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Listen on all ports; OSError when one of them is taken."""
        loop = asyncio.get_running_loop()
        ports = []
        try:
            for index in range(self.fleet.port_count):
                ports.append(await self._listen(index))
            self.fleet.host = self.host
            self.fleet.ports = tuple(ports)
            self.pusher = Pusher(self.fleet, self._push_deadlines)
            self.storm = Storm(self.pusher)
            await self._start_http()
        except OSError:
            await self.stop()
            raise
        self.pusher.start()
        self._tasks = [loop.create_task(self._sweep()), loop.create_task(self._play())]

    async def _listen(self, index: int) -> int:
        """Listen for the meters of one port, over TCP and UDP; return its number."""
        loop = asyncio.get_running_loop()
        for number in range(1, TRIES_FOR_A_PORT + 1):
            server = await loop.create_server(
                lambda: Connection(self.fleet, index, self.connections),
                self.host,
                self.port + index if self.port else 0,
                backlog=BACKLOG,
            )
            self._servers.append(server)
            port: int = server.sockets[0].getsockname()[1]
            try:
                _, protocol = await loop.create_datagram_endpoint(
                    lambda: DatagramPort(self.fleet, index, self.connections), (self.host, port)
                )
            except OSError:
                if self.port or number == TRIES_FOR_A_PORT:
                    raise
                # Of UDP, somebody else has it.
                self._servers.remove(server)
                server.close()
                continue
            self._datagram_ports.append(protocol)
            return port
        raise AssertionError("the last try returns or raises")

    async def _start_http(self) -> None:
        if self.http_port is None:
            return
        # Only here, so that simulators without the interface do not load a web framework.
        from .http import HttpServer

        self._http = HttpServer(self.fleet, self.http_host, self.http_port, self.cut_off, self.storm)
        await self._http.start()
        self.http_port = self._http.port

    async def stop(self) -> None:
        """Hang up and listen no more."""
        if self._http is not None:
            await self._http.stop()
            self._http = None
        if self.storm is not None:
            await self.storm.stop()
            self.storm = None
        if self.pusher is not None:
            await self.pusher.stop()
            self.pusher = None
        for task in self._tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._tasks.clear()
        for server in self._servers:
            server.close()
        for connection in tuple(self.connections):
            connection.abort()
        for datagram_port in self._datagram_ports:
            datagram_port.close()
        self._datagram_ports.clear()
        for server in self._servers:
            await server.wait_closed()
        self._servers.clear()

    def cut_off(self) -> None:
        """Hang up on the clients of meters that are out of reach."""
        now = self.fleet.settings.clock()
        for connection in tuple(self.connections):
            if not connection.is_reachable(now):
                connection.abort()

    async def _play(self) -> None:
        """Let happen what the scenario has planned."""
        while (due := self.scenario.next_due) is not None:
            now = self.fleet.settings.clock()
            if self.scenario.play(now):
                self.cut_off()
                continue
            # Not asleep for long, since the clock may be one that a test moves.
            await asyncio.sleep(min(max(due - now, 0.001), PLAY_SECONDS))

    async def _sweep(self) -> None:
        """Close connections that have been silent for too long."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            silent_since = loop.time() - self.fleet.settings.idle_seconds
            for connection in tuple(self.connections):
                if connection.last_activity < silent_since:
                    connection.abort()
