"""Days and months of a meter's calendar. An interval belongs to the day in which it lies: one that ends at
midnight to the day before. Days have 23 or 25 hours when clocks change.
"""

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


def find_midnight(day: date, zone: ZoneInfo) -> datetime:
    """Return when a day begins in a zone, in UTC."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def find_day(moment: datetime, zone: ZoneInfo) -> date:
    """Return the day of an interval that ends at ``moment``."""
    return (moment - timedelta(seconds=1)).astimezone(zone).date()


def to_month(day: date) -> date:
    """Return the first day of a day's month."""
    return day.replace(day=1)


def to_next_month(month: date) -> date:
    """Return the first day of the month after that of ``month``."""
    return (month.replace(day=1) + timedelta(days=32)).replace(day=1)


@lru_cache(maxsize=4096)
def find_day_span(day: date, zone: ZoneInfo) -> Span:
    """Return a day's span in a zone."""
    return Span(
        day, int(find_midnight(day, zone).timestamp()), int(find_midnight(day + DAY, zone).timestamp())
    )


@lru_cache(maxsize=1024)
def find_month_span(month: date, zone: ZoneInfo) -> Span:
    """Return a month's span in a zone."""
    return Span(
        month,
        int(find_midnight(month, zone).timestamp()),
        int(find_midnight(to_next_month(month), zone).timestamp()),
    )


def is_by_month(period: Period | str) -> bool:
    """Return whether values of a period are stored by month (DAILY, MONTHLY) and not by day."""
    return period in (Period.DAILY, Period.MONTHLY)


def find_span(period: Period | str, seconds: int, zone: ZoneInfo) -> Span:
    """Return the day, or for DAILY and MONTHLY the month, with which an interval ending then is stored."""
    day = find_day(datetime.fromtimestamp(seconds, UTC), zone)
    return find_month_span(to_month(day), zone) if is_by_month(period) else find_day_span(day, zone)


def list_expected_ends(
    period: Period | str, first: date, until: date, zone: ZoneInfo, step: int
) -> list[int]:
    """Return the interval ends expected for the days from ``first`` on and before ``until``.

    In seconds since 1970. INTERVAL: every ``step`` seconds; DAILY: each midnight; MONTHLY: the end of each
    month that ends with one of these days.
    """
    if period == Period.INTERVAL:
        begin, end = find_day_span(first, zone).begin, find_day_span(until, zone).begin
        return list(range(begin + step, end + 1, step))
    if period == Period.DAILY:
        return [find_day_span(first + number * DAY, zone).end for number in range((until - first).days)]
    ends, month = [], to_month(first)
    while (following := to_next_month(month)) <= until:
        if following > first:
            ends.append(find_month_span(month, zone).end)
        month = following
    return ends
