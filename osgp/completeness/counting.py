"""Counting the days of some devices, and adding what has changed to the totals.

A device's days are counted when they have ended by its own calendar, and again while they lack values, for
``READINGS_COUNTED_DAYS``. Days that are full of values are known without reading any (they are noted with
each series); for others the gaps are looked at. What is written is the difference from what was counted
before, so that counting once more, or after others, does no harm.
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from django.conf import settings

from osgp.completeness import lateness
from osgp.completeness.buffers import FETCHED_BY
from osgp.completeness.count_rows import store_days, store_devices
from osgp.completeness.counted import (
    COLUMNS,
    COUNTED_PERIODS,
    CountedMeter,
    expect,
    make_count,
    read_known,
    read_series,
)
from osgp.completeness.gaps import Reason, find_gaps
from osgp.completeness.lateness import SeriesEnds
from osgp.completeness.models import CountedDay, CountedDevice
from osgp.completeness.totals import Count, Differences
from osgp.devices.models import Device
from osgp.messages.readings import Period
from osgp.readings.calendar import DAY, is_by_month, to_month
from osgp.readings.models import Chunk, Completeness
from osgp.requests.models import WAITING_STATES, Request, RequestState
from osgp.sql import is_one_of

DayKey = tuple[int, str, date]
"""A day of a device and period."""


@dataclass
class _Counts:
    """The days to be counted, by what is known of them so far."""

    found: dict[DayKey, Count] = field(default_factory=dict)
    incomplete: list[DayKey] = field(default_factory=list)
    unexpected: list[DayKey] = field(default_factory=list)
    """Nothing is expected of them."""


def count_new_days(keys: Collection[int], now: datetime, begun_at: datetime) -> None:
    """As :func:`count_devices`, only of devices with a new day, or that count for others than before."""
    if keys:
        _count(read_known(keys, now, only_new=True), now, begun_at, look=False)


def count_devices(keys: Collection[int], now: datetime, begun_at: datetime, *, look: bool) -> None:
    """Count the days of these devices, up to some thousands; belongs in the transaction of whoever counts.

    With ``look`` the reasons of all gaps are found out. Without, only days of which a part has come are
    looked at; others keep their reasons, or get a first guess. What was received before ``begun_at``, when
    the platform began to count, is not judged late.
    """
    if keys:
        _count(read_known(keys, now), now, begun_at, look=look)


def _count(known: Mapping[int, CountedMeter], now: datetime, begun_at: datetime, *, look: bool) -> None:
    if not known:
        return
    counts = _count_full_days(known)
    looked_at = counts.incomplete if look else _find_partial(known, counts.incomplete)
    _look(looked_at, counts.found)
    _guess(known, set(counts.incomplete) - set(looked_at), counts.found)
    _judge_lateness(known, counts.found, now, begun_at)
    _store(known, counts)


def forget_devices(keys: Collection[int]) -> None:
    """Take devices that do not exist any more out of the totals."""
    if not keys:
        return
    differences = Differences()
    scopes = dict(CountedDevice.objects.filter(pk__in=keys).values_list("pk", "scopes"))
    days = CountedDay.objects.filter(device_id__in=keys)
    for key, period, day, *count in days.values_list(*COLUMNS):
        differences.take_away(scopes[key], period, day, make_count(*count))
    days.delete()
    CountedDevice.objects.filter(pk__in=keys).delete()
    differences.store()


def _count_full_days(known: Mapping[int, CountedMeter]) -> _Counts:
    """Choose the days, and count what is expected of them; those that are not full are incomplete."""
    counts = _Counts()
    wanted = {
        (key, period): days
        for key, counted in known.items()
        for period in COUNTED_PERIODS
        if (days := counted.choose_days(period))
    }
    read_series(known, {key for key, _ in wanted})
    full = _read_full_days(known, {to_month(day) for days in wanted.values() for day in days})
    for (key, period), days in wanted.items():
        counted = known[key]
        kinds, since = counted.find_kinds(period), counted.since[period]
        by_month = full.get((key, period), {})
        for day in days:
            ends, first = expect(kinds, period, day)
            number = len(ends) if since <= first else len(ends) - bisect_left(ends, since)
            bit = 1 if period == Period.MONTHLY else 1 << day.day - 1
            if not number:
                counts.unexpected.append((key, period, day))
                continue
            counts.found[key, period, day] = Count(number)
            if not by_month.get(to_month(day), 0) & bit:
                counts.incomplete.append((key, period, day))
    return counts


def _read_full_days(
    known: Mapping[int, CountedMeter], months: Collection[date]
) -> dict[tuple[int, str], dict[date, int]]:
    """Return the days of which all series of a device and period are full, as bits by month."""
    owners = {
        row.id: (key, period)
        for key, counted in known.items()
        for period, series in counted.series.items()
        for row in series
    }
    masks: defaultdict[tuple[int, str], dict[date, list[int]]] = defaultdict(dict)
    rows = Completeness.objects.filter(is_one_of("series_id", list(owners)), month__in=months)
    for series_id, month, bits in rows.values_list("series_id", "month", "full_days"):
        masks[owners[series_id]].setdefault(month, []).append(bits)
    full: dict[tuple[int, str], dict[date, int]] = {}
    for (key, period), by_month in masks.items():
        number = len(known[key].series[period])
        full[key, period] = {}
        for month, found in by_month.items():
            common = found[0] if len(found) == number else 0
            for bits in found[1:]:
                common &= bits
            full[key, period][month] = common
    return full


def _find_partial(known: Mapping[int, CountedMeter], incomplete: Sequence[DayKey]) -> list[DayKey]:
    """Return the days of which a part may be there. Of a day or month with one interval nothing can be."""
    by_day = [key for key in incomplete if not is_by_month(key[1])]
    owners = {row.id: device for device, period, _ in by_day for row in known[device].series.get(period, ())}
    if not owners:
        return []
    rows = Chunk.objects.filter(
        is_one_of("series_id", list(owners)), start__in={day for _, _, day in by_day}
    ).values_list("series_id", "start")
    there = {(owners[series_id], start) for series_id, start in rows}
    return [key for key in by_day if (key[0], key[2]) in there]


def _look(wanted: Sequence[DayKey], found: dict[DayKey, Count]) -> None:
    """Find out which intervals are missing, and why."""
    if not wanted:
        return
    by_day: defaultdict[tuple[str, date], list[int]] = defaultdict(list)
    for device, period, day in wanted:
        by_day[period, day].append(device)
    rows = Device.objects.order_by().select_related("gateway")
    known_devices = {row.pk: row for row in rows.filter(pk__in={device for device, _, _ in wanted})}
    for (period, day), devices in sorted(by_day.items()):
        gaps = find_gaps([known_devices[key] for key in devices], period, day, day + DAY)
        lacking = {one.device.pk: one.gaps for one in gaps}
        for device in devices:
            missing: Counter[str] = Counter()
            for gap in lacking.get(device, ()):
                missing[str(gap.reason)] += gap.count
            key = (device, period, day)
            found[key] = found[key]._replace(missing=tuple(sorted(missing.items())))


def _guess(known: Mapping[int, CountedMeter], keys: Collection[DayKey], found: dict[DayKey, Count]) -> None:
    """Keep the reasons of days of which nothing is there; new ones are being fetched, or were never asked."""
    meters = {known[device].device.gateway_id or device for device, _, _ in keys}
    pending = Request.objects.order_by().filter(
        is_one_of("meter", meters), state__in=[*WAITING_STATES, RequestState.RUNNING]
    )
    being_asked = set(pending.filter(message__in=FETCHED_BY.values()).values_list("device_id", flat=True))
    for key in keys:
        device, period, day = key
        count, before = found[key], known[device].days.get((period, day))
        if before is not None and not before.received and before.expected == count.expected:
            missing = before.missing
        else:
            reason = Reason.BEING_FETCHED if device in being_asked else Reason.NEVER_ASKED
            missing = ((str(reason), count.expected),)
        found[key] = count._replace(missing=missing)


def _judge_lateness(
    known: Mapping[int, CountedMeter], found: dict[DayKey, Count], now: datetime, begun_at: datetime
) -> None:
    """Count the late ones among received intervals, of days of which more are there than before."""
    after: timedelta = settings.OSGP["READINGS_LATE_AFTER"]
    earliest, latest = int((begun_at - after).timestamp()), int((now - after).timestamp())
    asked: dict[DayKey, list[SeriesEnds]] = {}
    for key, count in found.items():
        device, period, day = key
        counted = known[device]
        before = counted.days.get((period, day))
        if before is not None and before.late:
            found[key] = count._replace(late=before.late)
        if count.received <= (before.received if before else 0):
            continue
        if not earliest <= expect(counted.find_kinds(period), period, day).first < latest:
            continue
        start = to_month(day) if is_by_month(period) else day
        asked[key] = [
            SeriesEnds(
                row.id, start, expect(frozenset({(row.time_zone, row.capture_period)}), period, day).ends
            )
            for row in counted.series.get(period, ())
        ]
    for key, number in lateness.count_late(asked, after).items():
        found[key] = found[key]._replace(late=min(number, found[key].received))


def _store(known: Mapping[int, CountedMeter], counts: _Counts) -> None:
    differences = Differences()
    stored: list[tuple[int, str, date, Count]] = []
    for key, count in counts.found.items():
        device, period, day = key
        counted = known[device]
        before = counted.days.pop((period, day), None)
        if before is not None:
            assert counted.before is not None
            differences.take_away(counted.before[0], period, day, before)
        differences.add(counted.scopes, period, day, count)
        if count != before:
            stored.append((device, period, day, count))
    store_days(stored)
    _forget_unexpected(known, counts.unexpected, differences)
    for counted in known.values():
        if counted.before is not None and counted.is_moved:
            for (period, day), count in counted.days.items():
                differences.take_away(counted.before[0], period, day, count)
                differences.add(counted.scopes, period, day, count)
    _note_devices(known.values())
    differences.store()


def _forget_unexpected(
    known: Mapping[int, CountedMeter], keys: Iterable[DayKey], differences: Differences
) -> None:
    gone: defaultdict[tuple[str, date], list[int]] = defaultdict(list)
    for device, period, day in keys:
        counted = known[device]
        before = counted.days.pop((period, day), None)
        if before is not None:
            assert counted.before is not None
            differences.take_away(counted.before[0], period, day, before)
            gone[period, day].append(device)
    for (period, day), devices in gone.items():
        CountedDay.objects.filter(device_id__in=devices, period=period, day=day).delete()


def _note_devices(known: Iterable[CountedMeter]) -> None:
    """Note what was counted, and forget days that are not counted any more; the totals keep them."""
    changed = [counted for counted in known if not counted.is_as_before]
    store_devices([(counted.device.pk, counted.scopes, counted.basis, counted.today) for counted in changed])
    by_window: defaultdict[date, list[int]] = defaultdict(list)
    for counted in changed:
        by_window[counted.window].append(counted.device.pk)
    for window, keys in by_window.items():
        CountedDay.objects.filter(is_one_of("device_id", keys), day__lt=window).delete()
