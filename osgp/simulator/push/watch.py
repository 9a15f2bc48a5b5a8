"""Finds out when meters push: what was done to them, what happens to them by itself, and what is planned."""

import random
from collections import deque
from collections.abc import Callable, Iterator
from heapq import heappop, heappush
from math import ceil
from typing import NamedTuple, TypeVar

from ..alarms import Raised
from ..fleet import Fleet
from ..meter.alarm_bits import has_push_setups, list_coming_alarms, raise_alarm
from ..meter.event_names import LAST_GASP
from ..meter.event_types import Alarm
from ..meter.meter import Meter
from ..meter.pushing import DESTINATION, SETUP_ALARM, SETUP_SMS, SETUP_UDP, find_setup
from .orders import Order, Setup

HORIZON = 3_600.0
"""Seconds by which the coming alarms of a meter are known in advance."""
ROUND = HORIZON / 4
"""Seconds in which all meters are looked at, however many they are."""
OLDEST = 60.0
"""Seconds after which an alarm is part of the past: a scenario may write a meter's history."""
_LONGEST_PAUSE = 1.0
_HOUR = 3_600.0

Push = Callable[[Meter, Order], None]

Item = TypeVar("Item")


class _Coming(NamedTuple):
    """An alarm that will be raised, unless another ``version`` of what is to come replaces it."""

    moment: float
    place: int
    version: int
    raised: Raised


class AlarmWatch:
    """What is to be pushed by the meters of a fleet, told by calling ``push`` in :meth:`tick`."""

    def __init__(self, fleet: Fleet, push: Push) -> None:
        self._fleet = fleet
        self._push = push
        self._meters = tuple(fleet.meters.values())
        self._next = 0
        self._looked: float | None = None
        self._known_until: dict[str, float] = {}
        self._versions: dict[str, int] = {}
        self._coming: list[_Coming] = []
        self._place = 0
        self._random_due: float | None = None

    def tick(self, now: float) -> None:
        """Push everything that has happened by ``now`` (true time); to be called often."""
        box = self._fleet.settings.alarms
        self._raise_at_random(now)
        self._look_around(now)
        for identification in _take_all(box.changed):
            if (meter := self._fleet.meters.get(identification)) is not None:
                self._plan(meter, now, afresh=True)
        happened = [raised for raised in _take_all(box.raised) if raised.moment > now - OLDEST]
        happened += self._take_due(now)
        for (pushing, setup), raised in self._group(happened).items():
            self._push_alarms(pushing, setup, raised)
        for identification, tag in _take_all(box.asked):
            asked = next((each for each in Setup if each.tag == tag), None)
            meter = self._fleet.meters.get(identification)
            if asked is not None and meter is not None:
                self._push(meter, Order(setup=asked))

    # What is to come

    def _look_around(self, now: float) -> None:
        """Look at as many meters as it takes to see all of them in a round."""
        since = _LONGEST_PAUSE if self._looked is None else min(now - self._looked, ROUND)
        self._looked = now
        share = ceil(len(self._meters) * min(max(since, 0.0), _LONGEST_PAUSE) / ROUND)
        for _ in range(min(max(share, 1), len(self._meters))):
            meter = self._meters[self._next]
            self._next = (self._next + 1) % len(self._meters)
            self._plan(meter, now)

    def _plan(self, meter: Meter, now: float, *, afresh: bool = False) -> None:
        identification = meter.identification
        known = now if afresh else self._known_until.get(identification, now)
        if known > now + HORIZON - ROUND or not _may_push(meter) or not _may_change(meter, known):
            return
        if afresh:
            self._versions[identification] = self._versions.get(identification, 0) + 1
        version = self._versions.get(identification, 0)
        for raised in list_coming_alarms(meter, known, now + HORIZON):
            self._place += 1
            heappush(self._coming, _Coming(raised.moment, self._place, version, raised))
        self._known_until[identification] = now + HORIZON

    def _take_due(self, now: float) -> Iterator[Raised]:
        while self._coming and self._coming[0].moment <= now:
            coming = heappop(self._coming)
            if coming.version == self._versions.get(coming.raised.identification, 0):
                yield coming.raised

    def _raise_at_random(self, now: float) -> None:
        """An alarm that any of the meters has, now and then."""
        rate = self._fleet.settings.alarms_per_hour
        if not rate:
            return
        if self._random_due is not None and now >= self._random_due:
            meter = random.choice(self._meters)
            alarms = list(_list_alarms(meter))
            if alarms:
                raise_alarm(meter, random.choice(alarms), now)
            self._random_due = None
        if self._random_due is None:
            self._random_due = now + random.expovariate(rate / _HOUR)

    # What has happened

    def _group(self, happened: list[Raised]) -> dict[tuple[Meter, str], list[Raised]]:
        """By meter and push setup: what comes at once goes in one push."""
        grouped: dict[tuple[Meter, str], list[Raised]] = {}
        for raised in happened:
            meter = self._fleet.meters.get(raised.identification)
            if meter is None:
                continue
            setup = SETUP_ALARM if raised.register is None else find_setup(meter, raised.register)
            if has_push_setups(meter) or raised.register is None:
                grouped.setdefault((meter, setup), []).append(raised)
        return grouped

    def _push_alarms(self, meter: Meter, setup: str, happened: list[Raised]) -> None:
        gasp = meter.type.events.alarm(LAST_GASP)
        gasping = any(each.register is None or (each.register, each.bit) == gasp for each in happened)
        bits: dict[str, int] = {}
        for each in happened:
            if each.register is not None:
                bits[each.register] = bits.get(each.register, 0) | 1 << each.bit
        kind = next(each for each in Setup if each.tag == setup)
        self._push(meter, Order(setup=kind, bits=bits, is_prompt=False, is_last_gasp=gasping))


def _take_all(kept: deque[Item]) -> Iterator[Item]:
    """What is kept now; what comes meanwhile is for the next time."""
    for _ in range(len(kept)):
        yield kept.popleft()


def _may_push(meter: Meter) -> bool:
    """Whether the meter has been told any place to push to."""
    if meter.settings.push_to is not None:
        return True
    setups = (tag for tag in (SETUP_ALARM, SETUP_SMS, SETUP_UDP) if tag in meter.type.tags)
    profile = meter.type.profile
    return any(meter.override(profile[tag].address_attribute(DESTINATION[1])) for tag in setups)


def _may_change(meter: Meter, since: float) -> bool:
    """Whether anything is to come that may raise an alarm: mishaps are drawn, or somebody has planned it."""
    record = meter.record
    return meter.is_troubled_at(since) or (record is not None and bool(record.outages or record.schedules))


def _list_alarms(meter: Meter) -> Iterator[Alarm]:
    for tag in meter.type.alarm_registers.values():
        flags = meter.type.profile[tag].flags
        yield from (Alarm(tag, bit) for bit in (flags.names if flags is not None else ()))
