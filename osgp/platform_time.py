"""The platform's time, which is that of the database, whatever the clock of this machine says.

Each process measures how far the two are apart, by the time that the database tells with what it answers
anyway (and by :func:`osgp.sql.read_now`). From then on a clock that nobody sets counts on. So a machine whose
clock is wrong, or is set, changes nothing of what is stored, asked for or due.

What is sent to a meter as the time needs more (:func:`check`): if the two clocks differ, nobody can tell from
here which of them is right.
"""

import threading
import time
from datetime import UTC, datetime
from typing import NamedTuple

from django.utils import timezone

from osgp.faults import Component, Fault, FaultCode

LIMIT = 2.0
"""Seconds by which the clocks of a machine and of the database may differ."""
RESOLUTION = 0.001
"""Seconds by which the database may round down what it tells: SQLite tells milliseconds."""
DRIFT = 0.001
"""Seconds per second by which two clocks may drift apart: the kernel slews one by half of it at most."""


class Offset(NamedTuple):
    """Seconds by which the clock of this machine is ahead of the database's, give or take ``bound``."""

    seconds: float
    bound: float

    @property
    def is_beyond_limit(self) -> bool:
        """Whether the clocks certainly differ by more than LIMIT."""
        return abs(self.seconds) - self.bound > LIMIT

    @property
    def is_within_limit(self) -> bool:
        """Whether they certainly do not."""
        return abs(self.seconds) + self.bound <= LIMIT


class _Bounds(NamedTuple):
    """Of the time of the database less :func:`read_uptime`, as measured ``at`` a moment by the latter."""

    lowest: float
    highest: float
    at: float

    def widen(self, at: float) -> "_Bounds":
        drifted = DRIFT * max(0.0, at - self.at)
        return _Bounds(self.lowest - drifted, self.highest + drifted, at)

    def narrow(self, other: "_Bounds") -> "_Bounds | None":
        lowest, highest = max(self.lowest, other.lowest), min(self.highest, other.highest)
        return _Bounds(lowest, highest, self.at) if lowest <= highest else None


_bounds: _Bounds | None = None
_noting = threading.Lock()


_UPTIME: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def read_uptime() -> float:
    """Return the seconds since the machine was started; on Linux, those of its sleep included."""
    return time.clock_gettime(_UPTIME)


def note(asked: float, told: datetime, answered: float) -> None:
    """Note that the database told its time between two moments by :func:`read_uptime`.

    The best of all measurements counts, as far as they agree. If one contradicts those before, a clock was
    set or this machine was suspended, and it counts alone.
    """
    global _bounds
    moment = told.timestamp()
    measured = _Bounds(moment - answered, moment + RESOLUTION - asked, answered)
    with _noting:
        known = None if _bounds is None else measured.narrow(_bounds.widen(answered))
        _bounds = known or measured


def forget() -> None:
    """Forget what was measured: the clock of this machine counts until the next measurement."""
    global _bounds
    _bounds = None


def now() -> datetime:
    """Return the time of the platform, in UTC; that of this machine before the first measurement."""
    bounds = _bounds
    if bounds is None:
        return timezone.now()
    return datetime.fromtimestamp((bounds.lowest + bounds.highest) / 2 + read_uptime(), UTC)


def find_offset() -> Offset | None:
    """Return how far the clock of this machine is ahead now; None: nothing was measured yet."""
    bounds = _bounds
    if bounds is None:
        return None
    lowest, highest, passed = bounds.widen(read_uptime())
    middle, bound = (lowest + highest) / 2, (highest - lowest) / 2
    return Offset(timezone.now().timestamp() - passed - middle, bound)


def check() -> None:
    """Raise Fault 414, which is worth a retry, unless both clocks tell the same time, to within LIMIT."""
    offset = find_offset()
    if offset is None or not offset.is_within_limit:
        raise ClocksDiffer(offset)


class ClocksDiffer(Fault):
    """Nothing was sent that depends on the time. Another worker may do it, or this one later."""

    def __init__(self, offset: Offset | None) -> None:
        if offset is not None and offset.is_beyond_limit:
            found = f"differ by {abs(offset.seconds):.1f} s"
        else:
            found = f"could not be compared to within {LIMIT:.0f} s"
        super().__init__(
            FaultCode.UNABLE_TO_PROCESS_REQUEST,
            f"The clocks of this worker and of the database {found}: nothing is sent to the meter that "
            "depends on the time.",
            component=Component.CORE,
            retryable=True,
        )
