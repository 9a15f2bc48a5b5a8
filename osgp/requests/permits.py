"""Permits: how many more meters may be dialled now, per communication network and per cell.

Each live meter session is a permit in use; its end gives the permit back. Dispatchers take turns, so that two
of them neither use the same permit nor choose the same meter.

Meters whose endpoint has a live session wait likewise, until the visit to the other device row of the same
meter is over.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import NamedTuple

from django.db import connection
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from osgp.networks.models import Cell, CommunicationNetwork
from osgp.requests.due import find_requests_to_dispatch
from osgp.requests.endpoints import NOWHERE, OF_METER
from osgp.requests.models import LIVE_SESSION_STATES, NOT_OVER, MeterSession, Request
from osgp.sql import add_to_now

LIMITED = (
    Q(max_open_sessions__isnull=False)
    | Q(max_new_sessions_per_second__isnull=False)
    | Q(max_open_sessions_per_cell__isnull=False)
    | Q(cells__max_open_sessions__isnull=False)
)
CELL_LIMIT = Coalesce("meter__cell__max_open_sessions", "meter__network__max_open_sessions_per_cell")
SECOND = timedelta(seconds=1)
_TURN = 0x6F736770_7475726E  # "osgpturn": one dispatcher chooses at a time


@dataclass
class Room:
    """The permits that are left in this round."""

    networks: dict[int, int] = field(default_factory=dict)
    """Permits left, for networks with a limit."""
    cells: Counter[int] = field(default_factory=Counter)
    """Live meter sessions per cell."""
    full_cells: set[int] = field(default_factory=set)
    was_short: bool = False
    """Whether a limit may have held back requests."""

    def exclude_full(self, due: QuerySet[Request]) -> QuerySet[Request]:
        """Return ``due`` without the requests of full networks and cells."""
        full_networks = [pk for pk, left in self.networks.items() if left <= 0]
        if full_networks:
            due = due.exclude(meter__network__in=full_networks)
        if self.full_cells:
            due = due.exclude(meter__cell__in=self.full_cells)
        self.was_short = self.was_short or bool(full_networks or self.full_cells)
        return due

    def take_permit(self, network_id: int | None, cell_id: int | None, cell_limit: int | None) -> bool:
        """Use a permit of a network and a cell; return False if one of them has none left."""
        if network_id is not None and self.networks.get(network_id, 1) <= 0:
            self.was_short = True
            return False
        if cell_id is not None and cell_limit is not None:
            if self.cells[cell_id] >= cell_limit:
                self.full_cells.add(cell_id)
                self.was_short = True
                return False
            self.cells[cell_id] += 1
        if network_id in self.networks:
            self.networks[network_id] -= 1
        return True


class ChosenMeter(NamedTuple):
    """A meter to be visited, where it is dialled, and the priority of its most urgent request."""

    pk: int
    endpoint: str
    priority: int


def choose_meters(limit: int) -> tuple[list[ChosenMeter], bool]:
    """Choose up to ``limit`` meters with due requests and a permit, but no live meter session.

    Return them, and whether anything was held back: for lack of a permit, because the same meter is being
    visited as another device, or because another dispatcher has its turn. The most urgent come first, so that
    they get the next free permit of a full cell. Call it in the transaction that opens the meter sessions:
    the turn lasts as long.
    """
    if not _take_turn():
        return [], True
    room = _count_room()
    chosen: dict[int, ChosenMeter] = {}
    refused: set[int] = set()
    endpoints: set[str] = set()
    shared: set[str] = set()
    is_one_visited = False
    """Whether a meter is being visited as another device. The end of that visit wakes no dispatcher."""
    while len(chosen) < limit:
        due = _find_candidates(room, {*chosen, *refused}, shared, are_some_visited=is_one_visited)
        candidates = list(due.values_list(*_COLUMNS)[: limit - len(chosen)])
        if not candidates:
            break
        for meter_id, endpoint, visited_as_another, priority, *where in candidates:
            if meter_id in chosen or meter_id in refused:
                continue
            if visited_as_another is not None:
                is_one_visited = True
            elif endpoint in endpoints:
                shared.add(endpoint)
            elif room.take_permit(*where):
                chosen[meter_id] = ChosenMeter(meter_id, endpoint, priority)
                if endpoint != NOWHERE:
                    endpoints.add(endpoint)
            else:
                refused.add(meter_id)
    return list(chosen.values()), room.was_short or is_one_visited


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


_COLUMNS = (
    *("meter_id", "endpoint", "visited_as_another", "effective_priority"),
    *("meter__network", "meter__cell", CELL_LIMIT),
)


def _find_candidates(
    room: Room, without: set[int], without_endpoints: set[str], *, are_some_visited: bool
) -> QuerySet[Request]:
    """Return the due requests of meters without a live session of their own, most urgent first.

    ``visited_as_another`` is a live session of the same endpoint, if there is one. With ``are_some_visited``
    there is none: of such requests there may be so many that others would never be reached.
    """
    # Lookups for each candidate; NOT EXISTS would become a join of all waiting requests and live visits.
    sessions = MeterSession.objects.order_by()
    of_meter = sessions.filter(meter=OuterRef("meter"), state__in=LIVE_SESSION_STATES)
    of_endpoint = sessions.filter(NOT_OVER, endpoint=OuterRef("endpoint"), endpoint__gt=NOWHERE)
    due = (
        find_requests_to_dispatch()
        .alias(live=Subquery(of_meter.values("pk")[:1]))
        .filter(live=None, meter__isnull=False)
        .annotate(endpoint=OF_METER, visited_as_another=Subquery(of_endpoint.values("pk")[:1]))
    )
    if are_some_visited:
        due = due.filter(visited_as_another=None)
    if without:
        due = due.exclude(meter__in=without)
    if without_endpoints:
        due = due.exclude(endpoint__in=without_endpoints)
    return room.exclude_full(due)


def _count_room() -> Room:
    """Count the permits that are left; one query if no network has limits."""
    networks = list(CommunicationNetwork.objects.filter(LIMITED).distinct())
    if not networks:
        return Room()
    limited = [network.pk for network in networks]
    live = MeterSession.objects.filter(state__in=LIVE_SESSION_STATES, meter__network__in=limited)
    by_network: Counter[int] = Counter()
    by_cell: Counter[int] = Counter()
    full_cells = set(
        Cell.objects.filter(network__in=limited, max_open_sessions=0).values_list("pk", flat=True)
    )
    counted = live.values_list("meter__network", "meter__cell", CELL_LIMIT).annotate(n=Count("pk")).order_by()
    for network_id, cell_id, cell_limit, count in counted:
        by_network[network_id] += count
        if cell_id is not None:
            by_cell[cell_id] += count
            if cell_limit is not None and count >= cell_limit:
                full_cells.add(cell_id)
    return Room(_count_permits(networks, by_network), by_cell, full_cells)


def _count_permits(networks: list[CommunicationNetwork], live: Counter[int]) -> dict[int, int]:
    rated = [network.pk for network in networks if network.max_new_sessions_per_second is not None]
    begun: dict[int, int] = {}
    if rated:
        recent = MeterSession.objects.filter(opened_at__gt=add_to_now(-SECOND), meter__network__in=rated)
        begun = dict(recent.values_list("meter__network").annotate(n=Count("pk")).order_by())
    left: dict[int, int] = {}
    for network in networks:
        limits = []
        if network.max_open_sessions is not None:
            limits.append(network.max_open_sessions - live[network.pk])
        if network.max_new_sessions_per_second is not None:
            limits.append(network.max_new_sessions_per_second - begun.get(network.pk, 0))
        if limits:
            left[network.pk] = min(limits)
    return left
