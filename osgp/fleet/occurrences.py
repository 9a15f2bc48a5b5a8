"""When a schedule is due: the moments of a crontab in its time zone, or those of an interval.

They are computed from the recurrence alone, so that all processes find the same moments at any time. When
clocks change, a crontab behaves as in cron. With fixed hours it is due once for each time of day: at the
corresponding moment after the gap if that time does not exist on that day, and at the first of both if it
exists twice. With every hour (``*``) it follows elapsed time, so that no quarter of an hour is left out.
"""

import calendar
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from itertools import islice, pairwise
from typing import Protocol, TypeAlias
from zoneinfo import ZoneInfo

from celery.schedules import ParseException
from django_celery_beat.models import CrontabSchedule, IntervalSchedule

LONGEST_SEARCH = 366 * 29
"""Days to search before a crontab counts as never due: even 29 February on a Monday comes sooner."""
Recurrence: TypeAlias = CrontabSchedule | IntervalSchedule
"""A row of django-celery-beat; several schedules may share it."""
EVERY_HOUR = set(range(24))
CRON_FIELDS = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")
SHORTEST_INTERVAL = timedelta(seconds=10)
COMPARED = 50
"""Occurrences that are compared for the shortest time between two: those of two days if hourly."""


class Crontab(Protocol):
    """The fields of a crontab as Celery parses them: the numbers that match."""

    minute: set[int]
    hour: set[int]
    day_of_week: set[int]
    day_of_month: set[int]
    month_of_year: set[int]


class NeverDue(ValueError):
    """The recurrence has no occurrence, such as 31 February, or its interval is too short."""


def iterate(recurrence: Recurrence, moment: datetime, *, anchor: datetime) -> Iterator[datetime]:
    """Yield the occurrences later than ``moment``, in UTC, in order, without end; none is before ``anchor``.

    Intervals are counted from ``anchor``, which is the first occurrence. Raises NeverDue.
    """
    if isinstance(recurrence, IntervalSchedule):
        return _iterate_interval(timedelta(**{recurrence.period: recurrence.every}), moment, anchor)
    return _iterate_crontab(recurrence, max(moment, anchor - timedelta(microseconds=1)))


def find_next(recurrence: Recurrence, moment: datetime, *, anchor: datetime) -> datetime:
    """Return the next occurrence later than ``moment``. Raises NeverDue."""
    return next(iterate(recurrence, moment, anchor=anchor))


def list_next(recurrence: Recurrence, moment: datetime, *, anchor: datetime, number: int) -> list[datetime]:
    """Return the next ``number`` occurrences later than ``moment``; fewer if the crontab ends before.

    Raises NeverDue if there is none at all.
    """
    coming = iterate(recurrence, moment, anchor=anchor)
    found = [next(coming)]
    while len(found) < number:
        try:
            found.append(next(coming))
        except NeverDue:
            break
    return found


def list_between(
    recurrence: Recurrence,
    begin: datetime,
    end: datetime,
    *,
    anchor: datetime,
    limit: int,
) -> list[datetime]:
    """Return up to ``limit`` occurrences from ``begin`` to ``end``, both included. Raises NeverDue."""
    found = islice(iterate(recurrence, begin - timedelta(microseconds=1), anchor=anchor), limit)
    return [occurrence for occurrence in found if occurrence <= end]


def find_shortest_gap(recurrence: Recurrence, moment: datetime) -> timedelta:
    """Return the shortest time between two of the next occurrences after ``moment``.

    Clock changes are left out: what is due at 3:00 is a day apart in any season. Raises NeverDue.
    """
    if isinstance(recurrence, IntervalSchedule):
        return timedelta(**{recurrence.period: recurrence.every})
    fields = {name: getattr(recurrence, name) for name in CRON_FIELDS}
    gaps: list[timedelta] = []
    found = _iterate_crontab(CrontabSchedule(timezone=UTC, **fields), moment)
    for earlier, later in pairwise(islice(found, COMPARED)):
        gaps.append(later - earlier)
        if later - moment > timedelta(days=366):
            break
    return min(gaps)


def _iterate_interval(step: timedelta, moment: datetime, anchor: datetime) -> Iterator[datetime]:
    if step < SHORTEST_INTERVAL:
        raise NeverDue(f"An interval is at least {SHORTEST_INTERVAL.total_seconds():.0f} seconds.")
    anchor = anchor.astimezone(UTC)
    number = max(0, (moment - anchor) // step + 1)
    while True:
        yield anchor + number * step
        number += 1


def _iterate_crontab(recurrence: CrontabSchedule, moment: datetime) -> Iterator[datetime]:
    try:
        parsed: Crontab = recurrence.schedule
    except (ValueError, ParseException) as error:
        raise NeverDue(str(error)) from error
    zone = ZoneInfo(str(recurrence.timezone))
    # A day earlier: a moment in a clock change's gap may have been moved past midnight.
    day = moment.astimezone(zone).date() - timedelta(days=1)
    latest, fruitless = moment, 0
    while fruitless < LONGEST_SEARCH and day < date(2200, 1, 1):
        fruitless += 1
        if _is_due_on(parsed, day):
            for occurrence in _list_moments(parsed, day, zone):
                if occurrence > latest:
                    latest, fruitless = occurrence, 0
                    yield occurrence
        day += timedelta(days=1)
    raise NeverDue("The crontab has no occurrence.")


def _is_due_on(parsed: Crontab, day: date) -> bool:
    """Celery counts Sunday as 0, and wants both the day of the week and that of the month to match."""
    return (
        day.month in parsed.month_of_year
        and day.day in parsed.day_of_month
        and (calendar.weekday(day.year, day.month, day.day) + 1) % 7 in parsed.day_of_week
    )


def _list_moments(parsed: Crontab, day: date, zone: ZoneInfo) -> list[datetime]:
    elapsed = parsed.hour == EVERY_HOUR
    moments = set()
    for hour in parsed.hour:
        for minute in parsed.minute:
            local = datetime.combine(day, time_of_day(hour, minute), zone)
            moment = local.astimezone(UTC)
            exists = moment.astimezone(zone).replace(tzinfo=None) == local.replace(tzinfo=None)
            if exists or not elapsed:
                moments.add(moment)
            if exists and elapsed:
                moments.add(local.replace(fold=1).astimezone(UTC))
    return sorted(moments)
