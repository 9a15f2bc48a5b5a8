"""What a visit has to read of a device so that nothing is missing.

Every meter may be asked for this every night, so the usual case takes two short statements: all days are full
but the last ones, of which nothing is stored from some interval on. These are asked for without a look at
former requests: asking for what a meter does not have costs nothing if newer values are read in any case.
Anything else is looked at closely.
"""

from bisect import bisect_left
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from math import ceil
from typing import NamedTuple
from zoneinfo import ZoneInfo

from osgp.completeness.gaps import SETTLED, find_gaps
from osgp.completeness.keeping import note_answers
from osgp.completeness.models import AcceptedGap, AnsweredGap
from osgp.devices.models import Device
from osgp.messages.readings import Period
from osgp.messages.relative_periods import Between
from osgp.readings.arrays import as_date, parse_integers
from osgp.readings.calendar import (
    DAY,
    find_day,
    find_midnight,
    list_expected_ends,
    to_month,
    to_next_month,
)
from osgp.readings.chunks import Chunk as Columns
from osgp.readings.models import Chunk, Completeness, Series
from osgp.requests.models import Action, ActionState
from osgp.sql import Statement, parse_moment

RECENT = 3
"""Days, or months for MONTHLY: of the last ones, values may be missing because nobody asked for them yet.
From one night to the next, on either side of midnight, these are three."""
_MARGIN = timedelta(days=2)
"""More than days of any time zone are apart from those of UTC."""


def find_unread(
    device_id: int, channel: int | None, period: Period, between: Between, *, since_first: bool
) -> Between | None:
    """Return from the first to the last interval end that is missing and worth asking for; None: none is.

    Of those ``between`` two times, with ``since_first`` from the first value on that is stored, if there is
    any. What the meter has answered without, and gaps that were accepted, are not worth it. Call it in a
    database lane.
    """
    key = (device_id, channel or 0, str(period))
    series = _read_series(key, between)
    if not series and _is_new(key):
        return between
    ends = _find_tail(key, series, between, since_first=since_first) if series else None
    if ends is None:
        return _look_closely(device_id, period, between, since_first=since_first and bool(series))
    return Between(_to_utc(ends[0]), _to_utc(ends[-1])) if ends else None


_IS_NEW = Statement(
    f"""
    SELECT 1 FROM {Device._meta.db_table} d
     WHERE d.id = %s AND d.installed_at IS NULL
       AND NOT EXISTS (SELECT 1 FROM {AcceptedGap._meta.db_table} g
                        WHERE g.device_id = d.id AND g.period = %s)
       AND NOT EXISTS (SELECT 1 FROM {AnsweredGap._meta.db_table} g
                        WHERE g.device_id = d.id AND g.period = %s)
       AND NOT EXISTS (SELECT 1 FROM {Action._meta.db_table} a
                        WHERE a.device_id = d.id AND a.state = '{ActionState.DONE}'
                          AND a.parameters ->> 'period_type' = %s)
    """  # noqa: S608 (table names)
)


def _is_new(key: tuple[int, int, str]) -> bool:
    """Whether nothing at all is known of the values of a device and period: all of them are asked for."""
    device, _, period = key
    return bool(_IS_NEW.fetch_rows(device, period, period, period))


_SERIES_WITH_DAYS = Statement(
    f"""
    SELECT s.id, s.capture_period, s.time_zone, s.first_end, c.month, c.full_days,
           (SELECT installed_at FROM {Device._meta.db_table} d WHERE d.id = s.device_id),
           (SELECT MAX(last_interval_end) FROM {AcceptedGap._meta.db_table} g
             WHERE g.device_id = s.device_id AND g.period = s.period),
           (SELECT MAX(last_interval_end) FROM {AnsweredGap._meta.db_table} g
             WHERE g.device_id = s.device_id AND g.period = s.period)
      FROM {Series._meta.db_table} s
      LEFT JOIN {Completeness._meta.db_table} c ON c.series_id = s.id AND c.month BETWEEN %s AND %s
     WHERE s.device_id = %s AND s.channel = %s AND s.period = %s
    """  # noqa: S608 (table names)
)
_RECENT_TIMES = Statement(
    f"""
    SELECT c.series_id, c.begin, c.count, c.step, c.offsets
      FROM {Series._meta.db_table} s
      JOIN {Chunk._meta.db_table} c ON c.series_id = s.id AND (c.start = %s OR c.start BETWEEN %s AND %s)
     WHERE s.device_id = %s AND s.channel = %s AND s.period = %s
    """  # noqa: S608 (table names)
)


class _Known(NamedTuple):
    """A series with the days that it is full of, by month."""

    capture_period: int
    zone: ZoneInfo
    first_end: int | None
    """Of the first value that is stored, as far as that is known."""
    installed_at: datetime | None
    full_days: dict[date, int]
    settled_until: datetime | None
    """The last interval end of gaps of the device that are accepted, or that it has answered without."""

    def is_full(self, period: str, day: date) -> bool:
        """Whether it has all values of a day; of MONTHLY, that of its month."""
        bit = 0 if period == Period.MONTHLY else day.day - 1
        return bool(self.full_days.get(to_month(day), 0) >> bit & 1)


def _find_tail(
    key: tuple[int, int, str], series: Mapping[int, _Known], between: Between, *, since_first: bool
) -> Sequence[int] | None:
    """Return the interval ends that are missing, if none is but the last ones, all of which are.

    None: there are other gaps, or this cannot be told.
    """
    period = key[2]
    since = _find_since(series.values(), since_first=since_first)
    if since > between.begin.timestamp():
        if since > between.end.timestamp():
            return []
        between = between._replace(begin=_to_utc(since))
    begin, end = ceil(between.begin.timestamp()), int(between.end.timestamp())
    recent: dict[int, list[date]] = {}
    for pk, known in series.items():
        days = _list_days(period, between, known.zone)
        lacking = [place for place, day in enumerate(days) if not known.is_full(period, day)]
        # Of the first day only a part may be expected: whether that is there is seen below.
        later = [place for place in lacking if place or period != Period.INTERVAL]
        if later and (later[0] < len(days) - RECENT or later[-1] != len(days) - 1):
            return None
        recent[pk] = [days[place] for place in lacking]
    stored = _read_stored(key, recent) if period == Period.INTERVAL else {}
    tails = set()
    for pk, known in series.items():
        expected = [
            each for day in recent[pk] for each in _list_ends(period, day, known) if begin <= each <= end
        ]
        missing = [each for each in expected if each not in stored.get(pk, ())]
        if missing and missing != expected[bisect_left(expected, missing[0]) :]:
            return None
        if missing and missing[0] < _find_recent(period, between, known.zone):
            return None
        if missing and known.settled_until and known.settled_until >= _to_utc(missing[0]):
            return None
        tails.add(tuple(missing))
    # With values of one series and without those of another, the meter has answered.
    return tails.pop() if len(tails) == 1 else None


def _find_recent(period: str, between: Between, zone: ZoneInfo) -> float:
    """Where the last days begin, in seconds since 1970."""
    days = _list_days(period, between, zone)[-RECENT:]
    return find_midnight(days[0], zone).timestamp() if days else 0.0


def _find_since(series: Collection[_Known], *, since_first: bool) -> int:
    """From which interval end on values may be missing, as osgp/completeness/expectation.py says."""
    installed_at = next(iter(series)).installed_at
    if installed_at is not None:
        return int(installed_at.timestamp()) + 1
    return min(known.first_end or 0 for known in series) if since_first else 0


def _read_series(key: tuple[int, int, str], between: Between) -> dict[int, _Known]:
    first, last = ((between.begin - _MARGIN).date(), (between.end + _MARGIN).date())
    series: dict[int, _Known] = {}
    rows = _SERIES_WITH_DAYS.fetch_rows(to_month(first).isoformat(), to_month(last).isoformat(), *key)
    for pk, capture_period, zone, first_end, month, full_days, installed_at, *settled in rows:
        until = max((parse_moment(each) for each in settled if each is not None), default=None)
        installed = None if installed_at is None else parse_moment(installed_at)
        known = series.setdefault(pk, _Known(capture_period, ZoneInfo(zone), first_end, installed, {}, until))
        if month is not None:
            known.full_days[as_date(month)] = full_days
    return series


def _read_stored(key: tuple[int, int, str], recent: dict[int, list[date]]) -> dict[int, set[int]]:
    """Return the interval ends that are stored of these days, by series."""
    stored: dict[int, set[int]] = {}
    days = sorted({day for those in recent.values() for day in those})
    if not days:
        return stored
    # The first one may lie long before the others.
    places = (days[0], days[min(1, len(days) - 1)], days[-1])
    rows = _RECENT_TIMES.fetch_rows(*(day.isoformat() for day in places), *key)
    for pk, begin, count, step, offsets in rows:
        times = Columns(0, step, parse_integers(offsets), range(count), None, (), ()).list_offsets()
        stored.setdefault(pk, set()).update(begin + offset for offset in times)
    return stored


def _list_days(period: str, between: Between, zone: ZoneInfo) -> list[date]:
    """Return the days, or for MONTHLY the months, of which an interval ends between two times."""
    day, last = find_day(between.begin, zone), find_day(between.end, zone)
    if period == Period.MONTHLY:
        # Only whole months have a value.
        day, last = to_month(day), to_month(last)
    days = []
    while day <= last:
        days.append(day)
        day = to_next_month(day) if period == Period.MONTHLY else day + DAY
    if period != Period.INTERVAL:
        end = between.end.timestamp()
        days = [day for day in days if _list_day_ends(period, day, zone)[-1] <= end]
    return days


def _list_day_ends(period: str, day: date, zone: ZoneInfo, step: int = 1) -> list[int]:
    until = to_next_month(day) if period == Period.MONTHLY else day + DAY
    return list_expected_ends(period, day, until, zone, step)


def _list_ends(period: str, day: date, known: _Known) -> list[int]:
    return _list_day_ends(period, day, known.zone, known.capture_period)


def _look_closely(device_id: int, period: Period, between: Between, *, since_first: bool) -> Between | None:
    """As :func:`find_unread`, with all that is known; and note what the meter has answered without."""
    device = Device.objects.select_related("gateway").get(pk=device_id)
    first, last = (each.date() for each in (between.begin - _MARGIN, between.end + _MARGIN))
    wanted: list[datetime] = []
    for found in find_gaps([device], period, first, last, since_first=since_first):
        note_answers(device, period, [each for gap in found.gaps for each in gap.unnoted])
        for gap in found.gaps:
            begin, end = max(gap.first, between.begin), min(gap.last, between.end)
            if gap.reason not in SETTLED and begin <= end:
                wanted += (begin, end)
    return Between(min(wanted), max(wanted)) if wanted else None


def _to_utc(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
