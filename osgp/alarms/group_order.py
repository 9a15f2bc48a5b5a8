"""The order in which groups of alarms are locked, the same for all that change several of them."""

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from osgp.alarms.models import AlarmGroup


class GroupKey(NamedTuple):
    """What alarms of one group have in common."""

    organisation: int | None
    network: int | None
    kind: str

    @property
    def place(self) -> tuple[int, int, str]:
        """Where it is in the order; without owner or network, before others."""
        return (self.organisation or 0, self.network or 0, self.kind)


def put_in_order(groups: Collection[int]) -> list[int]:
    """Return the primary keys of groups in the order in which storing changes them.

    Of one key, by their last alarm: groups grow, but none overtakes another, as an alarm joins the latest
    group that it may belong to.
    """
    rows = AlarmGroup.objects.filter(pk__in=groups).values_list(
        "organisation", "network", "kind", "last_at", "pk"
    )

    def find_place(row: tuple[int | None, int | None, str, datetime, int]) -> tuple[object, ...]:
        organisation, network, kind, last_at, pk = row
        return (GroupKey(organisation, network, kind).place, last_at, pk)

    return [row[-1] for row in sorted(rows, key=find_place)]
