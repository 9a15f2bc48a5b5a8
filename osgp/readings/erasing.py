"""Erasing values: those of a person who moved out, or who asked for it. Nothing else removes single ones."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from django.db import connection, transaction

from osgp.devices.models import Device
from osgp.messages.readings import Period
from osgp.readings import merging
from osgp.readings.calendar import find_day, find_day_span, find_month_span, to_month
from osgp.readings.chunks import Chunk as Columns
from osgp.readings.chunks import leave_out
from osgp.readings.merging import NewChunk
from osgp.readings.models import Chunk, Completeness, FormerClaim, Series

MONTH = timedelta(days=32)
"""The longest chunk, and a day of other time zones."""
_COLUMNS = ("start", "begin", "exponent", "step", "offsets", "amounts", "statuses", "received", "confirmed")


@transaction.atomic
def erase_values(device: Device, since: datetime, until: datetime) -> int:
    """Erase the values of a device whose intervals end from ``since`` to ``until``, both included.

    Returns how many there were. What was said of them formerly goes as well. Their days are not full any
    more.
    """
    first, last = int(since.timestamp()), int(until.timestamp())
    return sum(_erase(series, first, last) for series in Series.objects.filter(device=device).order_by("pk"))


def _erase(series: Series, first: int, last: int) -> int:
    zone = ZoneInfo(series.time_zone)
    count = 0
    changed: list[tuple[NewChunk, Columns]] = []
    gone: list[date] = []
    for start, begin, stored in _lock_chunks(series, first, last):
        left = leave_out(stored, first - begin, last - begin)
        kept = 0 if left is None else left.count
        if kept == stored.count:
            continue
        count += stored.count - kept
        if left is None:
            gone.append(start)
            continue
        find_span = find_day_span if series.period == Period.INTERVAL else find_month_span
        span = find_span(start, zone)
        place = NewChunk(series.pk, start, begin, span.end, left, series.period, series.capture_period, zone)
        changed.append((place, left))
    merging.update(changed)
    if gone:
        Chunk.objects.filter(series_id=series.pk, start__in=gone).delete()
    ends = (datetime.fromtimestamp(each, UTC) for each in (first, last))
    FormerClaim.objects.filter(series=series, interval_end__range=tuple(ends)).delete()
    if count:
        _note_days(series, zone, first, last)
    return count


def _lock_chunks(series: Series, first: int, last: int) -> Iterator[tuple[date, int, Columns]]:
    earliest, latest = (datetime.fromtimestamp(each, UTC) for each in (first, last))
    rows = Chunk.objects.filter(
        series_id=series.pk,
        start__range=((earliest - MONTH).date(), (latest + timedelta(days=1)).date()),
    ).order_by("start")
    if connection.vendor == "postgresql":
        rows = rows.select_for_update()
    for start, begin, *columns in rows.values_list(*_COLUMNS):
        yield start, begin, merging.parse_chunk(columns)


def _note_days(series: Series, zone: ZoneInfo, first: int, last: int) -> None:
    """Days that lost a value are not full; of months and MONTHLY values the one bit that there is."""
    first_day, last_day = (find_day(datetime.fromtimestamp(each, UTC), zone) for each in (first, last))
    rows = Completeness.objects.filter(
        series_id=series.pk, month__range=(to_month(first_day), to_month(last_day))
    )
    for month, full_days in rows.select_for_update().values_list("month", "full_days"):
        left = full_days
        for number in range(31):
            try:
                day = month.replace(day=number + 1)
            except ValueError:
                break
            if series.period == Period.MONTHLY or first_day <= day <= last_day:
                left &= ~(1 << number)
        Completeness.objects.filter(series_id=series.pk, month=month).update(full_days=left)
