"""Permits: how many more meters may be dialled now, per communication network and per cell.

Each live meter session is a permit in use; its end gives the permit back.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta

from django.db.models import Count, Q, QuerySet
from django.db.models.functions import Coalesce

from osgp.networks.models import Cell, CommunicationNetwork
from osgp.requests.models import LIVE_SESSION_STATES, MeterSession, Request
from osgp.sql import add_to_now

LIMITED = (
    Q(max_open_sessions__isnull=False)
    | Q(max_new_sessions_per_second__isnull=False)
    | Q(max_open_sessions_per_cell__isnull=False)
    | Q(cells__max_open_sessions__isnull=False)
)
CELL_LIMIT = Coalesce("meter__cell__max_open_sessions", "meter__network__max_open_sessions_per_cell")
SECOND = timedelta(seconds=1)


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


def count_room() -> Room:
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
