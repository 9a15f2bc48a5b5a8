"""Making partitions ahead, and deleting what is past READINGS_RETENTION: whole months on PostgreSQL.

A duty of its own, beside osgp/processes/retention.py: partitions are made as well, and months go as tables.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import QuerySet

from osgp.readings import clock, partitions
from osgp.readings.calendar import DAY, to_month, to_next_month
from osgp.readings.models import Chunk, Completeness, Delivery, FormerClaim

SLICE = 5_000
"""Rows deleted at a time."""

_further: list[Callable[[datetime], QuerySet[Any]]] = []


def forget_with_readings(list_rows: Callable[[datetime], QuerySet[Any]]) -> None:
    """Delete rows of another app with the readings that they are about.

    ``list_rows`` returns those about interval ends before a time.
    """
    _further.append(list_rows)


def find_first_month() -> date | None:
    """Return the first month that is kept, wholly or in part within the retention. None: all are."""
    retention: timedelta | None = settings.OSGP["READINGS_RETENTION"]
    if retention is None:
        return None
    # Two days more, because days begin earlier in some time zones.
    return to_month((clock.now() - retention - 2 * DAY).date())


def is_due() -> bool:
    """Return whether a partition must be made ahead, or something must be deleted."""
    month = find_first_month()
    if connection.vendor == "postgresql":
        tables = partitions.list_tables()
        ahead = {partitions.format_name(wanted) for wanted in _list_months_ahead()}
        if not ahead.issubset(tables) or (month and tables[0] < partitions.format_name(month)):
            return True
    elif month is not None and Chunk.objects.filter(start__lt=month).exists():
        return True
    return month is not None and any(rows.exists() for rows in _list_expired_rows(month))


def keep_house() -> int:
    """Make the partitions of this month and the next, and delete a slice; returns how much was deleted."""
    partitions.ensure(_list_months_ahead())
    month = find_first_month()
    if month is None:
        return 0
    if connection.vendor == "postgresql":
        gone = len(partitions.drop_before(month))
    else:
        gone = Chunk.objects.filter(start__lt=month).delete()[0]
    for rows in _list_expired_rows(month):
        gone += rows.model.objects.filter(pk__in=list(rows.values_list("pk", flat=True)[:SLICE])).delete()[0]
    return gone


def _list_months_ahead() -> list[date]:
    today = clock.now().date()
    return [to_month(today), to_next_month(today)]


def _list_expired_rows(month: date) -> list[QuerySet[Any]]:
    begin = datetime.combine(month, time(), UTC)
    return [
        FormerClaim.objects.filter(interval_end__lt=begin - DAY),
        Completeness.objects.filter(month__lt=month),
        # Earlier deliveries belong to earlier months: interval ends are at most a day ahead of our clock.
        Delivery.objects.filter(received_at__lt=begin - 3 * DAY),
        *(list_rows(begin - DAY) for list_rows in _further),
    ]
