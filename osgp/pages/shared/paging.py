"""Paging through millions of rows at once: nothing here counts or sorts a whole table.

Requests are numbered in the order of their creation, so their primary key stands in for an index on the
time of creation.
"""

from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, NamedTuple

from django.core.paginator import Paginator
from django.db.models import QuerySet

from osgp.requests.models import Request

COUNT_LIMIT = 10_000
SKEW = timedelta(hours=1)
"""How much later than its neighbours in number a row may have been stored: a generous bound."""


class BoundedCount(NamedTuple):
    """How many rows there are; when ``more`` is set, at least so many."""

    number: int
    more: bool

    def __str__(self) -> str:
        return f"{self.number:,}+" if self.more else f"{self.number:,}"


def count_up_to_limit(queryset: QuerySet[Any], limit: int = COUNT_LIMIT) -> BoundedCount:
    """Count up to ``limit`` rows and stop there."""
    count = queryset.order_by()[: limit + 1].count()
    return BoundedCount(min(count, limit), count > limit)


class BoundedPaginator(Paginator):
    """Pages over the first 10,000 rows; what lies beyond is found by filters, not by turning pages."""

    @cached_property
    def bounded(self) -> BoundedCount:
        """What there is to page through."""
        assert isinstance(self.object_list, QuerySet)
        return count_up_to_limit(self.object_list)

    @cached_property
    def count(self) -> int:
        """At most 10,000."""
        return self.bounded.number


def find_first_number_since(time: datetime) -> int:
    """A primary key such that every request created at or after ``time`` has a higher one.

    It walks back from the newest request in steps that grow fourfold, each one look-up in the primary key's
    index: seven of them cross ten million rows.
    """
    rows = Request.objects.order_by("-pk").values_list("pk", "created_at")
    newest = rows.first()
    if newest is None:
        return 0
    number, created_at = newest
    step = 1000
    while created_at >= time - SKEW:
        row = rows.filter(pk__lte=number - step).first()
        if row is None:
            return 0
        (number, created_at), step = row, step * 4
    return number
