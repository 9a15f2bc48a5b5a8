"""Days and months of a meter's calendar. An interval belongs to the day that it lies in: the one that ends at
midnight, to the day before it. Days have 23 or 25 hours when clocks change."""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from osgp.messages.readings import Period

DAY = timedelta(days=1)


class Span(NamedTuple):
    """A day or month of a calendar: after ``begin`` until ``end`` included, both in seconds since 1970."""

    start: date
    begin: int
    end: int


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """When a day begins in a zone, in UTC."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def day_of(moment: datetime, zone: ZoneInfo) -> date:
    """The day that an interval which ends at ``moment`` lies in."""
    return (moment - timedelta(seconds=1)).astimezone(zone).date()


def month_of(day: date) -> date:
    """The first day of its month."""
    return day.replace(day=1)


def next_month(month: date) -> date:
    """The first day of the month after that of ``month``."""
    return (month.replace(day=1) + timedelta(days=32)).replace(day=1)


@lru_cache(maxsize=4096)
def day_span(day: date, zone: ZoneInfo) -> Span:
    """A day in a zone."""
    return Span(day, int(midnight(day, zone).timestamp()), int(midnight(day + DAY, zone).timestamp()))


@lru_cache(maxsize=1024)
def month_span(month: date, zone: ZoneInfo) -> Span:
    """A month in a zone."""
    return Span(
        month, int(midnight(month, zone).timestamp()), int(midnight(next_month(month), zone).timestamp())
    )


def is_by_month(period: Period | str) -> bool:
    """Whether values of a period are kept by month (DAILY, MONTHLY) and not by day."""
    return period in (Period.DAILY, Period.MONTHLY)


def span_of(period: Period | str, seconds: int, zone: ZoneInfo) -> Span:
    """The day or, for DAILY and MONTHLY, the month that an interval which ends then is kept with."""
    day = day_of(datetime.fromtimestamp(seconds, UTC), zone)
    return month_span(month_of(day), zone) if is_by_month(period) else day_span(day, zone)


def expected_ends(period: Period | str, first: date, until: date, zone: ZoneInfo, step: int) -> list[int]:
    """The interval ends that there should be of the days from ``first`` on and before ``until``.

    In seconds since 1970. INTERVAL: every ``step`` seconds; DAILY: each midnight; MONTHLY: the end of each
    month that ends with one of these days.
    """
    if period == Period.INTERVAL:
        begin, end = day_span(first, zone).begin, day_span(until, zone).begin
        return list(range(begin + step, end + 1, step))
    if period == Period.DAILY:
        return [day_span(first + number * DAY, zone).end for number in range((until - first).days)]
    ends, month = [], month_of(first)
    while (following := next_month(month)) <= until:
        if following > first:
            ends.append(month_span(month, zone).end)
        month = following
    return ends
