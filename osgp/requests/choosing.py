"""Which meters dispatchers visit next: within permits, within lanes, and fairly among organisations.

Dispatchers take turns, so that two of them neither use the same permit nor choose the same meter. Meters
whose endpoint has a live session wait, until the visit to the other device row of the same meter is over.

The work of each organisation is looked up by itself, most urgent first: however much one of them has waiting,
it is not in front of the work of others. Those with the fewest visits go first, and nobody gets more than an
equal part of the slots unless others leave theirs.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection
from django.db.models import OuterRef, QuerySet, Subquery

from osgp.accounts.models import Organisation
from osgp.requests import permits
from osgp.requests.due import find_requests_of_organisation
from osgp.requests.endpoints import NOWHERE, OF_METER
from osgp.requests.models import LIVE_SESSION_STATES, NOT_OVER, MeterSession, Request, VisitLane
from osgp.requests.slots import LaneRoom, Reason, Slots, count_live_visits

_TURN = 0x6F736770_7475726E  # "osgpturn": one dispatcher chooses at a time
MOST_ORGANISATIONS = 50
"""Whose work is looked at in one round. Those with the fewest visits come first, so all have their turn."""
NEVER = datetime.max.replace(tzinfo=UTC)
MOST_LOOKS = 25
"""At the work of one organisation in one round, each at as many meters as may be visited."""
MOST_SLOW = 500
"""Meters of one organisation to be put in the slow lane after a round. The next one does not look at them."""


class ChosenMeter(NamedTuple):
    """A meter to be visited, where it is dialled, and for whose request, of which priority.

    The priority is that of its most urgent request; less if that is not carried out as an urgent one.
    """

    pk: int
    endpoint: str
    priority: int
    organisation: int | None = None
    lane: VisitLane = VisitLane.NORMAL


@dataclass(frozen=True)
class Choice:
    """What was chosen. ``reasons``: why there may be more due meters, if so. ``slow``: meters whose requests
    should wait in the slow lane, in which there was no room for them.
    """

    meters: list[ChosenMeter]
    reasons: frozenset[Reason] = frozenset()
    slow: frozenset[int] = frozenset()


class _Taker(NamedTuple):
    """An organisation with due work: the priority of the most urgent of it, and since when that is due; None
    if there is none, of meters that are slow and of others.
    """

    pk: int
    limit: int | None
    top: int | None
    since: datetime | None
    slow_top: int | None

    @property
    def is_urgent(self) -> bool:
        urgent: int = settings.OSGP["URGENT_PRIORITY"]
        return max(self.top or 0, self.slow_top or 0) >= urgent


def choose_meters(limit: int, slots: Slots | None = None, *, beyond: int | None = None) -> Choice:
    """Choose up to ``limit`` meters with due requests and a permit, but no live meter session.

    If ``beyond`` is given, so many with urgent requests may be chosen besides. The most urgent come first, so
    that they get the next free permit of a full cell. Call it in the transaction that opens the meter
    sessions: the turn lasts as long.
    """
    if not _take_turn():
        return Choice([], frozenset({Reason.TURN}))
    takers, are_alone = _find_takers(urgent_only=limit <= 0)
    if not takers:
        return Choice([])
    lanes = LaneRoom(
        slots,
        count_live_visits(),
        left=max(limit, 0),
        urgent_left=limit if beyond is None else max(limit, 0) + beyond,
        limits={taker.pk: taker.limit for taker in takers},
        takers=len(takers),
        are_alone=are_alone,
    )
    search = _Search(lanes, permits.count_room(), most=limit if beyond is None else None)
    search.run(takers)
    chosen = sorted(search.chosen.values(), key=lambda meter: -meter.priority)
    return Choice(chosen, search.list_reasons(), frozenset(search.slow))


def _take_turn() -> bool:
    """Return whether we may choose meters until the end of the transaction. SQLite has one writer anyway.

    This locks no requests, so it cannot deadlock with visits, which lock a meter session and its requests.

    It also makes PostgreSQL read due requests from the index that has them in order. The statistics are often
    out of date: where PostgreSQL expects a handful of rows, it would sort a backlog of tens of thousands to
    find the first few. And PostgreSQL does not compile the statement, which would take longer than to
    execute it: the cost that it expects is that of the whole backlog.
    """
    if connection.vendor != "postgresql":
        return True
    with connection.cursor() as cursor:
        cursor.execute(
            "SET LOCAL enable_sort = off; SET LOCAL enable_bitmapscan = off; SET LOCAL jit = off;"
            " SELECT pg_try_advisory_xact_lock(%s)",
            [_TURN],
        )
        return bool(cursor.fetchone()[0])


def _find_takers(*, urgent_only: bool) -> tuple[list[_Taker], bool]:
    """Return the organisations that have due work, and whether there is only one organisation at all.

    One query, which looks at the first request of each.
    """

    def find_top(column: str, *, slow: bool) -> Subquery:
        due = find_requests_of_organisation(OuterRef("pk"), slow=slow)
        return Subquery(due.values(column)[:1])

    priority = "effective_priority"
    rows = Organisation.objects.order_by("pk").annotate(
        top=find_top(priority, slow=False),
        since=find_top("due_at", slow=False),
        slow_top=find_top(priority, slow=True),
    )
    every = [_Taker(*row) for row in rows.values_list("pk", "max_visits", "top", "since", "slow_top")]
    takers = [taker for taker in every if (taker.top, taker.slow_top) != (None, None)]
    if urgent_only:
        takers = [taker for taker in takers if taker.is_urgent]
    return takers, len(every) == 1


@dataclass
class _Search:
    """One round of choosing."""

    lanes: LaneRoom
    room: permits.Room
    most: int | None
    """Meters in all, if that is limited."""
    chosen: dict[int, ChosenMeter] = field(default_factory=dict)
    slow: set[int] = field(default_factory=set)
    """Meters that wait for a slot of slow ones, but not yet among these."""
    _endpoints: set[str] = field(default_factory=set)
    _shared: set[str] = field(default_factory=set)
    _is_one_visited: bool = False
    """Whether a meter is being visited as another device. The end of that visit wakes no dispatcher."""
    _was_cut: bool = False

    def run(self, takers: Iterable[_Taker]) -> None:
        """Give each organisation its part, and then what is left to those that want more."""
        live = self.lanes.live
        in_turn = sorted(
            takers,
            key=lambda taker: (
                not taker.is_urgent,
                live.count_all(taker.pk),
                -max(taker.top or 0, taker.slow_top or 0),
                taker.since or NEVER,
            ),
        )
        if len(in_turn) > MOST_ORGANISATIONS:
            self._was_cut = True
            in_turn = in_turn[:MOST_ORGANISATIONS]
        hungry = [taker for taker in in_turn if self._serve(taker)]
        self.lanes.is_shared = False
        if self.lanes.takers > 1:
            for taker in hungry:
                self._serve(taker)
        for taker in hungry:
            self.lanes.note_full(taker.pk, has_slow=taker.slow_top is not None)

    def list_reasons(self) -> frozenset[Reason]:
        """Return why there may be more to do."""
        reasons = set(self.lanes.reasons)
        if self.room.was_short:
            reasons.add(Reason.NETWORK)
        if self._is_one_visited:
            reasons.add(Reason.ENDPOINT)
        if self.slow:
            reasons.add(Reason.SLOW)
        if self._was_cut:
            reasons.add(Reason.TURN)
        return frozenset(reasons)

    def _serve(self, taker: _Taker) -> bool:
        """Choose meters for an organisation; return whether it may have work for which there was no room."""
        served = [self._choose(taker.pk, slow=False)] if taker.top is not None else []
        if taker.slow_top is not None:
            served.append(self._choose(taker.pk, slow=True))
        return not all(served)

    def _choose(self, organisation: int, *, slow: bool) -> bool:
        """Choose meters from one part of its work; return whether all of it was looked at."""
        refused: set[int] = set()
        queue = find_requests_of_organisation(organisation, slow=slow)
        slow_before = len(self.slow)
        for _ in range(MOST_LOOKS):
            if len(self.slow) - slow_before > MOST_SLOW:
                return False
            wanted, are_urgent = self._count_wanted(organisation, slow=slow)
            if not wanted:
                return False
            due = self._exclude(_annotate(queue), refused)
            if are_urgent:
                due = due.filter(effective_priority__gte=settings.OSGP["URGENT_PRIORITY"])
            candidates = list(due.values_list(*_COLUMNS)[:wanted])
            if not candidates:
                return not are_urgent
            for candidate in candidates:
                self._consider(organisation, refused, *candidate)
        return False

    def _count_wanted(self, organisation: int, *, slow: bool) -> tuple[int, bool]:
        """Return how many candidates to look at, and whether only urgent ones."""
        others = self.lanes.count_slow(organisation) if slow else self.lanes.count_others(organisation)
        wanted = others + self.lanes.count_urgent(organisation)
        if self.most is not None:
            wanted = min(wanted, self.most - len(self.chosen))
        return wanted, others == 0

    def _exclude(self, due: QuerySet[Any], refused: set[int]) -> QuerySet[Any]:
        if self._is_one_visited:
            # Of such requests there may be so many that others would never be reached.
            due = due.filter(visited_as_another=None)
        if without := {*self.chosen, *refused}:
            due = due.exclude(meter__in=without)
        if self._shared:
            due = due.exclude(endpoint__in=self._shared)
        return self.room.exclude_full(due)

    def _consider(
        self,
        organisation: int,
        refused: set[int],
        meter_id: int,
        endpoint: str,
        visited_as_another: Any,
        priority: int,
        is_slow: bool,
        *where: Any,
    ) -> None:
        if meter_id in self.chosen or meter_id in refused:
            return
        if visited_as_another is not None:
            self._is_one_visited = True
            return
        if endpoint in self._endpoints:
            self._shared.add(endpoint)
            return
        lane = self.lanes.choose_lane(organisation, priority, is_slow=is_slow)
        if lane is None:
            refused.add(meter_id)
            if is_slow:
                self.slow.add(meter_id)
            return
        if not self.room.take_permit(*where):
            refused.add(meter_id)
            return
        self.lanes.take(organisation, lane)
        if lane != VisitLane.URGENT:
            priority = min(priority, settings.OSGP["URGENT_PRIORITY"] - 1)
        self.chosen[meter_id] = ChosenMeter(meter_id, endpoint, priority, organisation, lane)
        if endpoint != NOWHERE:
            self._endpoints.add(endpoint)


_COLUMNS = (
    *("meter_id", "endpoint", "visited_as_another", "effective_priority", "meter__is_slow"),
    *("meter__network", "meter__cell", permits.CELL_LIMIT),
)


def _annotate(due: QuerySet[Request]) -> QuerySet[Any]:
    """Return the requests of meters without a live session of their own, most urgent first.

    ``visited_as_another`` is a live session of the same endpoint, if there is one.
    """
    # Lookups for each candidate; NOT EXISTS would become a join of all waiting requests and live visits.
    sessions = MeterSession.objects.order_by()
    of_meter = sessions.filter(meter=OuterRef("meter"), state__in=LIVE_SESSION_STATES)
    of_endpoint = sessions.filter(NOT_OVER, endpoint=OuterRef("endpoint"), endpoint__gt=NOWHERE)
    return (
        due.alias(live=Subquery(of_meter.values("pk")[:1]))
        .filter(live=None)
        .annotate(endpoint=OF_METER, visited_as_another=Subquery(of_endpoint.values("pk")[:1]))
    )
