"""What meters send during a visit without being asked: kept by an upper package, as if it had been pushed.

A visit holds it in memory and hands it over when it is over, whatever came of it.
"""

import logging
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from osgp import platform_time
from osgp.protocol_dlms import MeterAddress
from osgp.requests.work import WorkMeter
from osgp.visits.leases import Lease
from osgp.visits.outages import PatientLanes

logger = logging.getLogger(__name__)

MOST_APDUS = 64
MOST_OCTETS = 256 * 1024
"""Of one visit, in all its connections; more are dropped."""


@dataclass(frozen=True)
class UnsolicitedApdu:
    """An APDU as it was received. ``uid``: by which it is known if it is kept twice."""

    octets: bytes = field(repr=False)
    received_at: datetime = field(default_factory=platform_time.now)
    uid: uuid.UUID = field(default_factory=uuid.uuid4)


@dataclass
class Unsolicited:
    """What came during one visit, in its order. ``peer_address``: the IP address where the meter was called;
    ``address``: where it was to be called."""

    meter: WorkMeter
    address: MeterAddress
    peer_address: str = ""
    apdus: list[UnsolicitedApdu] = field(default_factory=list)
    dropped: int = 0
    _octets: int = 0

    def take(self, apdu: bytes) -> None:
        """Hold an APDU, if there is room."""
        if len(self.apdus) >= MOST_APDUS or self._octets + len(apdu) > MOST_OCTETS:
            self.dropped += 1
            return
        self._octets += len(apdu)
        self.apdus.append(UnsolicitedApdu(apdu))


Keeper = Callable[[Unsolicited], object]

_keepers: list[Keeper] = []


def keep_with(keeper: Keeper) -> None:
    """Have ``keeper`` called with what came during each visit; registering it again changes nothing.

    It is called in a database lane, and once more if its answer was lost.
    """
    if keeper not in _keepers:
        _keepers.append(keeper)


@contextmanager
def collecting(lease: Lease, meter: WorkMeter, address: MeterAddress | None) -> Iterator[None]:
    """Collect what comes over the line of the lease within the block, and have it kept afterwards.

    Never raises: the outcome of the visit is stored by then. Most visits have nothing to keep.
    """
    if address is None:
        yield
        return
    unsolicited = Unsolicited(meter, address)
    lease.line.on_notification = unsolicited.take
    try:
        yield
    finally:
        lease.line.on_notification = None
        if unsolicited.apdus:
            unsolicited.peer_address = lease.line.peer_address
            _hand_over(lease, unsolicited)


def _hand_over(lease: Lease, unsolicited: Unsolicited) -> None:
    if unsolicited.dropped:
        logger.warning(
            "visit %s: %d notifications of the meter were dropped", lease.session_id, unsolicited.dropped
        )
    for keeper in _keepers:
        try:
            PatientLanes(lease).run(keeper, unsolicited)
        except Exception:
            logger.exception("visit %s: notifications of the meter were not kept", lease.session_id)
