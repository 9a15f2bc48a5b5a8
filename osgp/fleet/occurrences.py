"""When a recurring request is due: the moments of a crontab in its time zone, and those of an interval.

Computed from the schedule alone, so that any number of processes come to the same moments at any time. When
clocks change, a crontab is taken as cron takes it: with fixed hours it is due once for each time of day, at
the corresponding moment after the gap if there is no such time on that day, and at the first of both if
there are two; with every hour (``*``) it follows elapsed time, so that no quarter of an hour is left out.
"""

import calendar
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from itertools import islice, pairwise
from typing import Protocol
from zoneinfo import ZoneInfo

from celery.schedules import ParseException
from django_celery_beat.models import CrontabSchedule, IntervalSchedule

LONGEST_SEARCH = 366 * 29
"""Days after which a crontab is taken to have no occurrence: even 29 February on a Monday comes sooner."""
EVERY_HOUR = set(range(24))
CRON_FIELDS = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")
SHORTEST_INTERVAL = timedelta(seconds=10)
COMPARED = 50
"""Occurrences among which the shortest time between two is looked for: those of two days, if it is hourly."""


class Crontab(Protocol):
    """What Celery makes of the fields of a crontab: the numbers that match."""

    minute: set[int]
    hour: set[int]
    day_of_week: set[int]
    day_of_month: set[int]
    month_of_year: set[int]


class NeverDue(ValueError):
    """A schedule without any occurrence, such as 31 February, or one that is too tight."""


def after(
    schedule: CrontabSchedule | IntervalSchedule, moment: datetime, *, anchor: datetime
) -> Iterator[datetime]:
    """The occurrences later than ``moment``, in UTC, in order and without end; none is before ``anchor``.

    Intervals are counted from ``anchor``, which is the first occurrence. Raises NeverDue.
    """
    if isinstance(schedule, IntervalSchedule):
        return _interval(timedelta(**{schedule.period: schedule.every}), moment, anchor)
    return _crontab(schedule, max(moment, anchor - timedelta(microseconds=1)))


def first_after(
    schedule: CrontabSchedule | IntervalSchedule, moment: datetime, *, anchor: datetime
) -> datetime:
    """The next occurrence later than ``moment``. Raises NeverDue."""
    return next(after(schedule, moment, anchor=anchor))


def between(
    schedule: CrontabSchedule | IntervalSchedule,
    begin: datetime,
    end: datetime,
    *,
    anchor: datetime,
    limit: int,
) -> list[datetime]:
    """Up to ``limit`` occurrences from ``begin`` to ``end``, both included."""
    found = islice(after(schedule, begin - timedelta(microseconds=1), anchor=anchor), limit)
    return [occurrence for occurrence in found if occurrence <= end]


def shortest_gap(schedule: CrontabSchedule | IntervalSchedule, moment: datetime) -> timedelta:
    """The shortest time between two of the next occurrences after ``moment``.

    Changes of clocks are left out: what is due at 3:00 is a day apart, in whatever season that is asked.
    Raises NeverDue.
    """
    if isinstance(schedule, IntervalSchedule):
        return timedelta(**{schedule.period: schedule.every})
    fields = {name: getattr(schedule, name) for name in CRON_FIELDS}
    gaps: list[timedelta] = []
    found = _crontab(CrontabSchedule(timezone=UTC, **fields), moment)
    for earlier, later in pairwise(islice(found, COMPARED)):
        gaps.append(later - earlier)
        if later - moment > timedelta(days=366):
            break
    return min(gaps)


def _interval(step: timedelta, moment: datetime, anchor: datetime) -> Iterator[datetime]:
    if step < SHORTEST_INTERVAL:
        raise NeverDue(f"An interval is at least {SHORTEST_INTERVAL.total_seconds():.0f} seconds.")
    anchor = anchor.astimezone(UTC)
    number = max(0, (moment - anchor) // step + 1)
    while True:
        yield anchor + number * step
        number += 1


def _crontab(schedule: CrontabSchedule, moment: datetime) -> Iterator[datetime]:
    try:
        parsed: Crontab = schedule.schedule
    except (ValueError, ParseException) as error:
        raise NeverDue(str(error)) from error
    zone = ZoneInfo(str(schedule.timezone))
    # A day before, because a moment of its day's gap may have been moved past midnight.
    day = moment.astimezone(zone).date() - timedelta(days=1)
    latest, fruitless = moment, 0
    while fruitless < LONGEST_SEARCH and day < date(2200, 1, 1):
        fruitless += 1
        if _is_day(parsed, day):
            for occurrence in _of_day(parsed, day, zone):
                if occurrence > latest:
                    latest, fruitless = occurrence, 0
                    yield occurrence
        day += timedelta(days=1)
    raise NeverDue("The crontab has no occurrence.")


def _is_day(parsed: Crontab, day: date) -> bool:
    """Celery counts Sunday as 0, and wants both the day of the week and that of the month to match."""
    return (
        day.month in parsed.month_of_year
        and day.day in parsed.day_of_month
        and (calendar.weekday(day.year, day.month, day.day) + 1) % 7 in parsed.day_of_week
    )


def _of_day(parsed: Crontab, day: date, zone: ZoneInfo) -> list[datetime]:
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
