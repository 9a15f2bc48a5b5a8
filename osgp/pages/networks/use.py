"""What networks and cells bear at this moment: read from open visits, as the dispatcher reads it."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Count, QuerySet

from osgp.pages.shared.paging import COUNT_LIMIT, BoundedCount
from osgp.requests.due import find_requests_to_dispatch
from osgp.requests.models import LIVE_SESSION_STATES, MeterSession, Request
from osgp.sql import add_to_now

SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Use:
    """Visits that are open, those opened in the last second, and due requests that wait for a permit."""

    open: int
    new: int
    waiting: BoundedCount


def load_use_of_networks(keys: Collection[int]) -> dict[int, Use]:
    """Three queries, none of which looks at visits or requests that are over."""
    return _load("meter__network", keys)


def load_use_of_cells(keys: Collection[int]) -> dict[int, Use]:
    """Likewise for cells."""
    return _load("meter__cell", keys)


def _load(place: str, keys: Collection[int]) -> dict[int, Use]:
    live = MeterSession.objects.filter(state__in=LIVE_SESSION_STATES)
    begun = MeterSession.objects.filter(opened_at__gt=add_to_now(-SECOND))
    # The most urgent ones are enough to know that something waits.
    waiting = find_requests_to_dispatch().values("pk")[: COUNT_LIMIT + 1]
    open_, new = _count(live, place, keys), _count(begun, place, keys)
    held = _count(Request.objects.filter(pk__in=waiting), place, keys)
    more = sum(held.values()) > COUNT_LIMIT
    return {key: Use(open_[key], new[key], BoundedCount(held[key], more and held[key] > 0)) for key in keys}


def _count(rows: QuerySet, place: str, keys: Collection[int]) -> Counter[int]:
    counted = rows.filter(**{f"{place}__in": list(keys)}).order_by().values_list(place)
    return Counter(dict(counted.annotate(number=Count("*"))))
