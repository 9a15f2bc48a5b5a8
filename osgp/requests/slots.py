"""Slots: how many meters workers can visit at a time, and how they are shared (ADR 27).

Workers tell their slots with their heartbeats. A visit takes a slot of a *lane*:

* URGENT: for requests of a high priority. Each organisation may have a few such visits at a time; the rest of
  its urgent requests is carried out like others, first among these. Some slots are kept for this lane.
* SLOW: to meters whose last visit took long for what came of it. The lane is narrow.
* NORMAL: all others.

As long as a worker does not tell its slots, or none is alive, nothing is kept and no lane is narrow.
"""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from django.conf import settings
from django.db.models import Count, QuerySet

from osgp.processes.health import SILENT_AFTER
from osgp.processes.heartbeats import ProcessKind
from osgp.processes.models import ProcessHeartbeat
from osgp.requests.models import LIVE_SESSION_STATES, MeterSession, SessionState, VisitLane
from osgp.sql import add_to_now


class Reason(StrEnum):
    """Why due work is held back."""

    NETWORK = "network"
    """A communication network or a cell has as many visits as it may."""
    ENDPOINT = "endpoint"
    """The meter is visited as another device."""
    ORGANISATION = "organisation"
    """Its organisation has as many visits as it may."""
    SLOTS = "slots"
    """No slots are free."""
    SLOW = "slow"
    """No slots for slow meters are free."""
    TURN = "turn"
    """Another dispatcher, or other organisations, have their turn."""


DETAIL = "slots"
"""What workers that visit meters call their slots in the details of their heartbeats."""
HELD_BACK = "held_back"
"""What dispatchers call the reasons for which they held work back, in theirs."""
VISITING_QUEUE = "meter"


@dataclass(frozen=True)
class Slots:
    """The slots of all live workers together: ``total`` is at least 1."""

    total: int

    @property
    def urgent(self) -> int:
        """Slots that are kept for the lane URGENT."""
        share: float = settings.OSGP["URGENT_SHARE"]
        return min(math.ceil(self.total * share), self.total - 1)

    @property
    def urgent_per_organisation(self) -> int:
        """Visits of the lane URGENT that one organisation may have at a time."""
        share: float = settings.OSGP["URGENT_SHARE_PER_ORGANISATION"]
        return max(1, math.ceil(self.urgent * share))

    @property
    def common(self) -> int:
        """Slots for visits of the lanes NORMAL and SLOW."""
        return self.total - self.urgent

    @property
    def slow(self) -> int:
        """Slots for visits of the lane SLOW."""
        share: float = settings.OSGP["SLOW_SHARE"]
        return min(max(1, math.ceil(self.total * share)), self.common)


def make_details(slots: int) -> dict[str, Any]:
    """Return the details of a worker's heartbeat."""
    return {DETAIL: slots}


def find_slots() -> Slots | None:
    """Return the slots of the live workers; None if there are none, or one that does not tell. One query."""
    told = [
        details.get(DETAIL)
        for queues, details in _find_alive(ProcessKind.WORKER).values_list("queues", "details")
        if VISITING_QUEUE in queues.split(",")
    ]
    numbers = [number for number in told if isinstance(number, int) and number > 0]
    return Slots(sum(numbers)) if numbers and len(numbers) == len(told) else None


def find_reasons() -> frozenset[str]:
    """Return why the live dispatchers held due work back a moment ago. One query."""
    told = _find_alive(ProcessKind.DISPATCHER).values_list("details", flat=True)
    return frozenset(reason for details in told for reason in details.get(HELD_BACK, ()))


def _find_alive(kind: ProcessKind) -> QuerySet[ProcessHeartbeat]:
    return ProcessHeartbeat.objects.filter(
        kind=str(kind), ended_at=None, beat_at__gt=add_to_now(-SILENT_AFTER)
    )


@dataclass
class LiveVisits:
    """Live meter sessions: those that wait for a worker and those of visits."""

    of_organisations: Counter[tuple[int | None, str]] = field(default_factory=Counter)
    """By organisation and lane."""
    lanes: Counter[str] = field(default_factory=Counter)
    unclaimed: int = 0
    """Those whose hint no worker has taken yet."""

    @property
    def not_urgent(self) -> int:
        """Those of the lanes NORMAL and SLOW."""
        return self.lanes.total() - self.lanes[VisitLane.URGENT]

    def count_not_urgent(self, organisation: int) -> int:
        """Those of an organisation."""
        of = self.of_organisations
        return of[organisation, VisitLane.NORMAL] + of[organisation, VisitLane.SLOW]

    def count_all(self, organisation: int) -> int:
        """Those of an organisation in all lanes."""
        return self.count_not_urgent(organisation) + self.of_organisations[organisation, VisitLane.URGENT]

    def add(self, organisation: int | None, lane: str, number: int = 1) -> None:
        """Count more of them."""
        self.of_organisations[organisation, lane] += number
        self.lanes[lane] += number


def count_live_visits() -> LiveVisits:
    """Count the live meter sessions: one query, which looks at no others."""
    live = MeterSession.objects.filter(state__in=LIVE_SESSION_STATES).order_by()
    visits = LiveVisits()
    for organisation, lane, state, number in live.values_list("organisation", "lane", "state").annotate(
        number=Count("pk")
    ):
        # A former release does not say the lane.
        visits.add(organisation, lane or VisitLane.NORMAL, number)
        if state == SessionState.OPENED:
            visits.unclaimed += number
    return visits


@dataclass
class LaneRoom:
    """What may still be opened in this round, by lane and organisation. Counts what is taken."""

    slots: Slots | None
    live: LiveVisits
    left: int
    """Visits that are not urgent, at most."""
    urgent_left: int
    """Urgent ones, at most."""
    limits: Mapping[int, int | None]
    """Of organisations: their own limit of visits."""
    takers: int = 1
    """Organisations that have work: they share what there is."""
    is_shared: bool = True
    """Whether each takes its fair part only: what others leave is given away once all had their turn."""
    are_alone: bool = False
    """Whether there is one organisation on the platform, which need not leave slow slots to others."""
    reasons: set[Reason] = field(default_factory=set)
    """Which limits held work back."""

    def __post_init__(self) -> None:
        if self.slots is not None:
            self.left = max(0, min(self.left, self.slots.common - self.live.not_urgent))
        self._begun_with = Counter({pk: self.live.count_not_urgent(pk) for pk in self.limits})
        self._left_at_first = self.left

    def count_urgent(self, organisation: int) -> int:
        """Return how many urgent visits the organisation may still have."""
        room = min(self.urgent_left, self._count_own(organisation))
        if self.slots is not None:
            taken = self.live.of_organisations[organisation, VisitLane.URGENT]
            room = min(room, self.slots.urgent_per_organisation - taken)
        return max(0, room)

    def count_others(self, organisation: int) -> int:
        """Return how many visits that are not urgent it may still have."""
        room = min(self.left, self._count_own(organisation))
        if self.is_shared:
            room = min(room, self._count_share(organisation))
        return max(0, room)

    def count_slow(self, organisation: int) -> int:
        """Return how many of these may be to slow meters."""
        room = self.count_others(organisation)
        if self.slots is None:
            return room
        taken = self.live.of_organisations[organisation, VisitLane.SLOW]
        most = self.slots.slow if self.are_alone else math.ceil(self.slots.slow / 2)
        return max(0, min(room, self.slots.slow - self.live.lanes[VisitLane.SLOW], most - taken))

    def choose_lane(self, organisation: int, priority: int, *, is_slow: bool) -> VisitLane | None:
        """Return the lane in which a meter may be visited now; None if there is no room."""
        if priority >= settings.OSGP["URGENT_PRIORITY"] and self.count_urgent(organisation):
            return VisitLane.URGENT
        if is_slow:
            return VisitLane.SLOW if self.count_slow(organisation) else None
        return VisitLane.NORMAL if self.count_others(organisation) else None

    def take(self, organisation: int | None, lane: VisitLane) -> None:
        """Count a visit that is opened."""
        self.live.add(organisation, lane)
        if lane == VisitLane.URGENT:
            self.urgent_left -= 1
        else:
            self.left -= 1

    def note_full(self, organisation: int, *, has_slow: bool) -> None:
        """Note why an organisation with work gets no more; ``has_slow``: some of it is of slow meters."""
        if has_slow and not self.count_slow(organisation):
            self.reasons.add(Reason.SLOW)
        if self._count_own(organisation) <= 0:
            self.reasons.add(Reason.ORGANISATION)
        elif self.slots is not None and self.live.not_urgent >= self.slots.common:
            self.reasons.add(Reason.SLOTS)

    def _count_own(self, organisation: int) -> int:
        limit = choose_limit(self.limits.get(organisation))
        return 2**31 if limit is None else limit - self.live.count_all(organisation)

    def _count_share(self, organisation: int) -> int:
        """Of all common slots; as long as these are not known, of what is opened now."""
        taken = self.live.count_not_urgent(organisation)
        if self.slots is not None:
            return math.ceil(self.slots.common / self.takers) - taken
        return math.ceil(self._left_at_first / self.takers) + self._begun_with[organisation] - taken


def choose_limit(own: int | None) -> int | None:
    """Return the limit of visits of an organisation, whose own one this is; None if there is none."""
    general: int | None = settings.OSGP["ORGANISATION_MAX_VISITS"] or None
    return general if own is None else own
