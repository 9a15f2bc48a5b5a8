"""The listener: its sockets, its event loop, and how it begins and ends."""

import asyncio
import itertools
import logging
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress

from django.db import DatabaseError, InterfaceError

from osgp.alarms.counting import Arrival
from osgp.alarms.models import LONGEST_PUSH, Transport
from osgp.listener import storing, unknown_senders
from osgp.listener.connections import Connections
from osgp.listener.intake import Intake
from osgp.listener.keeper import Keeper
from osgp.listener.limits import Limits, read_limits
from osgp.listener.sockets import ACCEPTED_AT_ONCE, BACKLOG, open_sockets
from osgp.listener.spool import Spool
from osgp.listener.tcp import PushConnection
from osgp.listener.udp import DatagramReader
from osgp.protocol_dlms.push.joining import Joiner

logger = logging.getLogger(__name__)

PORT = 9598
"""By custom, for TCP and UDP."""
DEADLINES_EVERY = 0.1
"""Seconds."""
BEAT_EVERY = 1.0
BOOKS_EVERY = 1.0
LAST_CALLS = 5.0
"""Seconds that the database and the disk have for their last calls."""
LAST_BURSTS = 100
"""Bursts of datagrams that are still read at the end."""
LAST_MOMENT = 0.05
"""Seconds for the event loop to close what it was told to."""
COUNTED_FROM_THE_START = (
    *itertools.product(Transport, (Arrival.RECEIVED, Arrival.RATE_LIMITED, Arrival.NOT_STORED)),
    (Transport.UDP, Arrival.LOST_BY_KERNEL),
)


def _get_port(opened: list[socket.socket]) -> int | None:
    port: int | None = opened[0].getsockname()[1] if opened else None
    return port


def _make_joiner() -> Joiner:
    return Joiner(limit=LONGEST_PUSH)


class Listener:
    """Takes pushes until it is stopped. The ports are taken when it is made.

    None as port: not that transport; 0: any free port. Raises sockets.AddressInUse, OSError if the address or
    the spool cannot be had, and spool.SpoolInUse.
    """

    def __init__(
        self,
        host: str = "",
        tcp_port: int | None = PORT,
        udp_port: int | None = PORT,
        *,
        limits: Limits | None = None,
        on_round: Callable[[], None] = lambda: None,
        make_joiner: Callable[[], Joiner] = _make_joiner,
    ) -> None:
        self._limits = limits or read_limits()
        self._on_round = on_round
        self._make_joiner = make_joiner
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_stopping = False
        with ExitStack() as stack:
            self._tcp = self._open(stack, socket.SOCK_STREAM, host, tcp_port)
            self._udp = self._open(stack, socket.SOCK_DGRAM, host, udp_port)
            self.tcp_port = _get_port(self._tcp)
            """None without TCP."""
            self.udp_port = _get_port(self._udp)
            """None without UDP."""
            self._spool = Spool(self._limits.spool_directory, self._limits.spool_size)
            stack.callback(self._spool.close)
            self._stack = stack.pop_all()

    @staticmethod
    def _open(stack: ExitStack, kind: socket.SocketKind, host: str, port: int | None) -> list[socket.socket]:
        opened = [] if port is None else open_sockets(kind, host, port)
        for bound in opened:
            stack.callback(bound.close)
        return opened

    def run(self) -> None:
        """Take pushes until :meth:`stop` is called; then keep what was read, and return."""
        with self._stack:
            asyncio.run(self._serve())

    def stop(self) -> None:
        """End :meth:`run`. Safe in other threads and in signal handlers."""
        self._is_stopping = True
        if self._loop is not None:
            with suppress(RuntimeError):  # closed: it has ended
                self._loop.call_soon_threadsafe(self._stopping.set)

    def close(self) -> None:
        """Give ports and spool back without having run."""
        self._stack.close()

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        self._loop = loop
        if self._is_stopping:  # before it began: what the kernel has taken for us is kept all the same
            self._stopping.set()
        keeper = Keeper(self._spool, self._limits)
        intake = Intake(keeper, self._limits)
        connections = Connections(self._limits)
        readers = [DatagramReader(bound, intake, self._limits, self._make_joiner) for bound in self._udp]
        try:
            async with asyncio.TaskGroup() as tasks:
                keeping = tasks.create_task(keeper.run())
                chores = [
                    tasks.create_task(self._beat()),
                    tasks.create_task(self._watch_deadlines(connections, readers)),
                    tasks.create_task(self._keep_books(keeper, intake)),
                ]
                servers = [
                    await loop.create_server(
                        lambda: PushConnection(intake, connections, self._make_joiner),
                        sock=bound,
                        backlog=ACCEPTED_AT_ONCE,
                    )
                    for bound in self._tcp
                ]
                for bound in self._tcp:
                    bound.listen(BACKLOG)
                for bound, reader in zip(self._udp, readers, strict=True):
                    loop.add_reader(bound, reader.read_burst)
                logger.info("listening for pushes: TCP %s, UDP %s", self.tcp_port, self.udp_port)
                await self._stopping.wait()
                for server in servers:
                    server.close()
                self._read_last(loop, readers)
                connections.leave_all()
                keeper.end()
                await keeping
                for chore in chores:
                    chore.cancel()
            with suppress(TimeoutError):
                async with asyncio.timeout(LAST_CALLS):
                    await keeper.flush_counts()
            await asyncio.sleep(LAST_MOMENT)
        finally:
            await keeper.database.close(storing.close, LAST_CALLS)
            await keeper.disk.close(lambda: None, LAST_CALLS)

    def _read_last(self, loop: asyncio.AbstractEventLoop, readers: list[DatagramReader]) -> None:
        """Read what the kernel has taken for us already."""
        for bound, reader in zip(self._udp, readers, strict=True):
            loop.remove_reader(bound)
            for _ in range(LAST_BURSTS):
                if not reader.read_burst():
                    break
            reader.note_losses()

    async def _beat(self) -> None:
        while True:
            self._on_round()
            await asyncio.sleep(BEAT_EVERY)

    async def _watch_deadlines(self, connections: Connections, readers: list[DatagramReader]) -> None:
        """What needs neither disk nor database, so that nothing holds it up."""
        while True:
            connections.check_deadlines()
            for reader in readers:
                reader.forget_unfinished()
                reader.note_losses()
            await asyncio.sleep(DEADLINES_EVERY)

    async def _keep_books(self, keeper: Keeper, intake: Intake) -> None:
        """What the database is asked and told now and then."""
        looked_at = float("-inf")
        for transport, arrival in COUNTED_FROM_THE_START:
            keeper.count(transport, arrival, 0)
        while True:
            await keeper.flush_counts()
            if time.monotonic() - looked_at >= unknown_senders.EVERY:
                looked_at = time.monotonic()
                with suppress(DatabaseError, InterfaceError):
                    intake.rates.set_slow(await keeper.database.run(unknown_senders.find_sources))
            await asyncio.sleep(BOOKS_EVERY)
