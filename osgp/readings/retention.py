"""Making partitions ahead, and forgetting what is past READINGS_RETENTION: whole months on PostgreSQL."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import QuerySet

from osgp.readings import clock, partitions
from osgp.readings.calendar import DAY, month_of, next_month
from osgp.readings.models import Chunk, Completeness, Delivery, FormerClaim

SLICE = 5_000
"""Rows deleted at a time."""


def first_month() -> date | None:
    """The first month that is kept, as all or some of it is within the retention. None: all are."""
    retention: timedelta | None = settings.OSGP["READINGS_RETENTION"]
    if retention is None:
        return None
    # Two days, because days begin earlier in some time zones.
    return month_of((clock.now() - retention - 2 * DAY).date())


def is_due() -> bool:
    """Whether a partition is to be made ahead, or something to be forgotten."""
    month = first_month()
    if connection.vendor == "postgresql":
        tables = partitions.tables()
        ahead = {partitions.name_of(wanted) for wanted in _ahead()}
        if not ahead.issubset(tables) or (month and tables[0] < partitions.name_of(month)):
            return True
    elif month is not None and Chunk.objects.filter(start__lt=month).exists():
        return True
    return month is not None and any(rows.exists() for rows in _small_rows(month))


def keep_house() -> int:
    """Make the partitions of this month and the next, and forget a slice; returns how much went."""
    partitions.ensure(_ahead())
    month = first_month()
    if month is None:
        return 0
    if connection.vendor == "postgresql":
        gone = len(partitions.drop_before(month))
    else:
        gone = Chunk.objects.filter(start__lt=month).delete()[0]
    for rows in _small_rows(month):
        gone += rows.model.objects.filter(pk__in=list(rows.values_list("pk", flat=True)[:SLICE])).delete()[0]
    return gone


def _ahead() -> list[date]:
    today = clock.now().date()
    return [month_of(today), next_month(today)]


def _small_rows(month: date) -> list[QuerySet[Any]]:
    begin = datetime.combine(month, time(), UTC)
    return [
        FormerClaim.objects.filter(interval_end__lt=begin - DAY),
        Completeness.objects.filter(month__lt=month),
        # What was received before is of earlier months: interval ends are a day ahead of our clock at most.
        Delivery.objects.filter(received_at__lt=begin - 3 * DAY),
    ]
