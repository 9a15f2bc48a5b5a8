"""What becomes of what was found in octets: kept, counted, or refused because there is too much of it."""

from typing import NamedTuple

from osgp import platform_time
from osgp.alarms.counting import Arrival
from osgp.alarms.models import LONGEST_PUSH, Transport
from osgp.listener.keeper import Keeper
from osgp.listener.limits import Limits
from osgp.listener.pushes import LONGEST_PROBLEM, Push, Receipt
from osgp.listener.rates import Rates
from osgp.protocol_dlms.push.errors import PushError
from osgp.protocol_dlms.push.message import PushedMessage

MOST_BAD_KEPT = 10_000
"""Bad pieces kept per hour of all sources together: addresses of datagrams are easily forged."""


class Source(NamedTuple):
    """Where octets came from."""

    transport: Transport
    address: str
    port: int


class BadPieces:
    """Which bad pieces are worth keeping: some of each source in each hour."""

    def __init__(self, per_source: int) -> None:
        self._per_source = per_source
        self._hour = -1
        self._kept: dict[str, int] = {}
        self._in_all = 0

    def allow(self, address: str) -> bool:
        """Take one of what a source has left in this hour. False if it has nothing left."""
        hour = int(platform_time.now().timestamp()) // 3600
        if hour != self._hour:
            self._hour, self._kept, self._in_all = hour, {}, 0
        kept = self._kept.get(address, 0)
        if kept >= self._per_source or self._in_all >= MOST_BAD_KEPT:
            return False
        self._kept[address] = kept + 1
        self._in_all += 1
        return True


class Intake:
    """Shared by all connections and datagrams of a listener."""

    def __init__(self, keeper: Keeper, limits: Limits) -> None:
        self.keeper = keeper
        self.rates = Rates(limits.rate, limits.unknown_rate)
        self._bad = BadPieces(limits.bad_kept)

    def take(self, piece: PushedMessage | PushError, source: Source, receipt: Receipt | None = None) -> bool:
        """Offer a piece to the keeper, which tells ``receipt``. False: it is not kept, but counted."""
        if not self.rates.allow(source.address):
            self.keeper.count(source.transport, Arrival.RATE_LIMITED)
            return False
        push = Push(*source, octets=piece.octets)
        if isinstance(piece, PushError):
            self.keeper.count(source.transport, piece.kind.name)
            if not piece.octets or not self._bad.allow(source.address):
                return False
            push.outcome, push.problem = piece.kind.name, piece.text[:LONGEST_PROBLEM]
            push.octets = piece.octets[:LONGEST_PUSH]
        return self.keeper.offer(push, receipt)
