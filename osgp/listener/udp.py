"""Datagrams of meters. Nobody is told that they are kept; those that the kernel dropped are counted."""

import logging
import socket
from collections.abc import Callable

from osgp.alarms.counting import Arrival
from osgp.alarms.models import LONGEST_PUSH, Transport
from osgp.listener.deadlines import Waits
from osgp.listener.intake import Intake, Source
from osgp.listener.limits import Limits
from osgp.listener.sockets import normalise_address, raise_receive_buffer, read_dropped
from osgp.protocol_dlms.push.joining import Joiner

logger = logging.getLogger(__name__)

BURST = 256
"""Datagrams read before others have their turn."""
MOST_UNFINISHED = 200
"""Sources of which blocks are kept in memory until the last one has come."""
_WRAP = 1 << 32


class DatagramReader:
    """Reads one UDP socket."""

    def __init__(
        self, bound: socket.socket, intake: Intake, limits: Limits, make_joiner: Callable[[], Joiner]
    ) -> None:
        self._socket = bound
        self._intake = intake
        self._limits = limits
        self._make_joiner = make_joiner
        self._spare = make_joiner()
        self._unfinished: dict[tuple[str, int], Joiner] = {}
        self._waits: Waits[tuple[str, int]] = Waits()
        self._dropped = 0
        """By the kernel, as it told last; it begins again after 2³²."""
        held = raise_receive_buffer(bound, limits.receive_buffer)
        if held < limits.receive_buffer:
            logger.warning(
                "the kernel holds %s octets of datagrams, not %s: raise net.core.rmem_max",
                held,
                limits.receive_buffer,
            )

    def read_burst(self) -> bool:
        """Take what is there, up to BURST datagrams. Return whether there may be more."""
        for _ in range(BURST):
            try:
                octets, peer = self._socket.recvfrom(LONGEST_PUSH)
            except (BlockingIOError, InterruptedError):
                return False
            self._take(octets, peer[0], peer[1])
        return True

    def forget_unfinished(self) -> None:
        """Give up messages of which blocks are missing for too long."""
        for place in self._waits.end_after(self._limits.message):
            self._give_up(place)

    def note_losses(self) -> None:
        """Count what the kernel dropped since the last time.

        It is asked now and then, so that it need not be told beside a datagram: none may come after a storm.
        """
        dropped = read_dropped(self._socket)
        if lost := (dropped - self._dropped) % _WRAP:
            self._dropped = dropped
            self._intake.keeper.count(Transport.UDP, Arrival.LOST_BY_KERNEL, lost)

    def _take(self, octets: bytes, host: str, port: int) -> None:
        address = normalise_address(host)
        place = (address, port)
        joiner = self._unfinished.pop(place, None) or self._spare
        for piece in joiner.feed_datagram(octets):
            self._intake.take(piece, Source(Transport.UDP, address, port))
        if not joiner.pending:
            self._waits.end(place)
            return
        if joiner is self._spare:
            self._spare = self._make_joiner()
        self._unfinished[place] = joiner
        if place not in self._waits:
            self._waits.begin(place)
        if len(self._waits) > MOST_UNFINISHED and (longest := self._waits.find_longest()):
            self._waits.end(longest)
            self._give_up(longest)

    def _give_up(self, place: tuple[str, int]) -> None:
        for piece in self._unfinished.pop(place).end():
            self._intake.take(piece, Source(Transport.UDP, *place))
