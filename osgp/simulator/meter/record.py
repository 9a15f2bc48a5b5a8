"""What was done to a meter, by clients, by a scenario or over HTTP: the part of its history that is stored.

The rest is drawn when asked for (:mod:`.incidents`, :mod:`.outages`, :mod:`.clock_shifts`). Most meters have
no record at all.
"""

from bisect import bisect_right
from collections import deque
from typing import NamedTuple

from .event_types import Event
from .gas_meter import GasMeter
from .outages import Outage
from .tariff_period import TariffPeriod

MAXIMUM_EVENTS = 1_000
MAXIMUM_CHANGES = 256
"""Of each other kind; beyond it the oldest are forgotten."""


class Latch(NamedTuple):
    """A register whose bits events set: it was ``value`` at ``moment``, when somebody wrote it, after so many
    events had been ``recorded``."""

    moment: float
    value: int
    recorded: int = 0


class Pause(NamedTuple):
    """Nothing was delivered from ``begin`` until ``end``."""

    begin: float
    end: float


class EnergyStep(NamedTuple):
    """A register jumped by ``wh`` at ``moment``; ``direction`` IMPORT or EXPORT, ``rate`` 0 low, 1 high."""

    moment: float
    direction: str
    rate: int
    wh: int


class Record:
    """The stored history of one meter; each list is in the order of time."""

    __slots__ = (
        "activation_planned",
        "cleared",
        "clock",
        "energy",
        "events",
        "latches",
        "managed_since",
        "mbus",
        "null_compressed",
        "outages",
        "pauses",
        "recorded",
        "schedules",
        "tariffs",
        "unreachable",
    )

    def __init__(self) -> None:
        self.events: deque[Event] = deque(maxlen=MAXIMUM_EVENTS)
        self.recorded = 0
        """How many events there have been, forgotten ones included."""
        self.outages: list[Outage] = []
        self.pauses: list[Pause] = []
        self.clock: list[tuple[float, float]] = []
        """From a moment of true time on the clock was so many seconds ahead."""
        self.energy: list[EnergyStep] = []
        self.mbus: list[tuple[float, int, GasMeter | None]] = []
        """From a moment on, what was on a channel."""
        self.latches: dict[str, Latch] = {}
        self.managed_since = float("inf")
        """Since a client has cleared alarms or M-Bus status, nobody else has."""
        self.schedules: dict[str, float] = {}
        """When the execution times of a single action schedule were written, by tag."""
        self.tariffs: list[TariffPeriod] = []
        """By which calendars energy was split, from the first change on."""
        self.activation_planned: float | None = None
        """When a time still to come was written, at which the passive calendar becomes active."""
        self.cleared: dict[tuple[str, int | None], float] = {}
        """When a buffer, by tag and channel, lost its rows."""
        self.unreachable: Pause | None = None
        self.null_compressed: bool | None = None

    def add_event(self, event: Event) -> None:
        """Note an event."""
        self.events.append(event)
        self.recorded += 1

    def latch(self, key: str, moment: float, value: int) -> None:
        """A register was written: what is noted from now on sets its bits again, even at the same moment."""
        self.latches[key] = Latch(moment, value, self.recorded)

    def list_noted_after(self, latch: Latch, until: float) -> list[Event]:
        """The events that were noted after a register was written."""
        first = self.recorded - len(self.events)
        return [
            event
            for number, event in enumerate(self.events, first)
            if latch.moment < event.moment <= until
            or (event.moment == latch.moment <= until and number >= latch.recorded)
        ]

    def clock_offset(self, moment: float) -> float:
        """Seconds that the clock was ahead at a moment of true time."""
        place = bisect_right(self.clock, moment, key=lambda change: change[0])
        return self.clock[place - 1][1] if place else 0.0

    def set_clock(self, moment: float, offset: float) -> None:
        """From ``moment`` on the clock is ``offset`` seconds ahead."""
        self.clock = [*(change for change in self.clock if change[0] < moment), (moment, offset)]
        del self.clock[:-MAXIMUM_CHANGES]

    def add_outage(self, outage: Outage) -> None:
        """No power for a while; one that overlaps another is joined with it."""
        apart = []
        for other in self.outages:
            if other.begin <= outage.end and outage.begin <= other.end:
                outage = Outage(min(outage.begin, other.begin), max(outage.end, other.end))
            else:
                apart.append(other)
        self.outages = sorted((*apart, outage))[-MAXIMUM_CHANGES:]

    def is_dark(self, moment: float) -> bool:
        """Whether there is no power."""
        return any(outage.begin <= moment < outage.end for outage in self.outages)

    def disconnect(self, moment: float) -> None:
        """Deliver nothing from ``moment`` on."""
        if not self.pauses or self.pauses[-1].end < moment:
            self.pauses.append(Pause(moment, float("inf")))
            del self.pauses[:-MAXIMUM_CHANGES]

    def reconnect(self, moment: float) -> None:
        """Deliver again."""
        if self.pauses and self.pauses[-1].end > moment:
            self.pauses[-1] = self.pauses[-1]._replace(end=moment)

    def list_undelivered(self) -> list[Pause]:
        """When nothing was delivered: no power, or disconnected; without overlaps."""
        joined: list[Pause] = []
        for begin, end in sorted([*self.pauses, *(Pause(*outage) for outage in self.outages)]):
            if joined and begin <= joined[-1].end:
                joined[-1] = joined[-1]._replace(end=max(end, joined[-1].end))
            else:
                joined.append(Pause(begin, end))
        return joined

    def on_channel(self, channel: int, moment: float) -> tuple[bool, GasMeter | None]:
        """Whether anything was done to the channel by then, and what was on it since."""
        for since, changed, gas_meter in reversed(self.mbus):
            if changed == channel and since <= moment:
                return True, gas_meter
        return False, None
