"""Counting the days of some devices, and adding what has changed to the totals.

A device's days are counted when they have ended by its own calendar, and again while they lack values, for
``READINGS_COUNTED_DAYS``. Days that are full of values are known without reading any (they are noted with
each series); for others the gaps are looked at. What is written is the difference from what was counted
before, so that counting once more, or after others, does no harm.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta

from django.conf import settings

from osgp.completeness import lateness
from osgp.completeness.buffers import FETCHED_BY
from osgp.completeness.counted import (
    Count,
    CountedMeter,
    DayKey,
    choose_days,
    count_expected,
    list_ends,
    read_known,
    to_count,
)
from osgp.completeness.gaps import Reason, find_gaps
from osgp.completeness.lateness import SeriesEnds
from osgp.completeness.models import CountedDay, CountedDevice
from osgp.completeness.totals import Differences
from osgp.messages.readings import Period
from osgp.readings.calendar import DAY, is_by_month, to_month
from osgp.readings.models import Chunk, Completeness
from osgp.requests.models import WAITING_STATES, Request, RequestState
from osgp.sql import is_one_of


def count_devices(keys: Collection[int], now: datetime, begun_at: datetime, *, look: bool) -> None:
    """Count the days of these devices, up to some thousands; belongs in the transaction of whoever counts.

    With ``look`` the reasons of all gaps are found out. Without, only days of which a part has come are
    looked at; others keep their reasons, or get a first guess. What was received before ``begun_at``, when
    the platform began to count, is not judged late.
    """
    if not keys:
        return
    known = read_known(keys, now)
    wanted = choose_days(known)
    full = _find_full_days(known, wanted)
    counts: dict[DayKey, Count | None] = {}
    incomplete: list[DayKey] = []
    for key in wanted:
        counted = known[key.device]
        expected = count_expected(counted, key)
        if not expected:
            counts[key] = None
        elif key in full:
            counts[key] = Count(expected)
        else:
            counts[key] = Count(expected)
            incomplete.append(key)
    looked_at = incomplete if look else _find_partial(known, incomplete)
    _look(known, looked_at, counts)
    _guess(known, set(incomplete) - set(looked_at), counts)
    _judge_lateness(known, counts, now, begun_at)
    _store(known, counts)


def forget_devices(keys: Collection[int]) -> None:
    """Take devices that do not exist any more out of the totals."""
    differences = Differences()
    scopes = dict(CountedDevice.objects.filter(pk__in=keys).values_list("pk", "scopes"))
    for day in CountedDay.objects.filter(device_id__in=keys):
        differences.add(scopes[day.device_id], day.period, day.day, to_count(day).as_numbers(), -1)
    CountedDay.objects.filter(device_id__in=keys).delete()
    CountedDevice.objects.filter(pk__in=keys).delete()
    differences.store()


def _find_full_days(known: Mapping[int, CountedMeter], wanted: Sequence[DayKey]) -> set[DayKey]:
    """Return the days of which all series are full."""
    months = {to_month(key.day) for key in wanted}
    owners = {
        row.pk: (key, period)
        for key, counted in known.items()
        for period, series in counted.series.items()
        for row in series
    }
    masks: dict[tuple[int, str, date], list[int]] = defaultdict(list)
    rows = Completeness.objects.filter(is_one_of("series_id", list(owners)), month__in=months)
    for series_id, month, bits in rows.values_list("series_id", "month", "full_days"):
        masks[(*owners[series_id], month)].append(bits)
    full = set()
    for key in wanted:
        number = len(known[key.device].series.get(key.period, ()))
        found = masks.get((key.device, key.period, to_month(key.day)), ())
        bit = 1 if key.period == Period.MONTHLY else 1 << key.day.day - 1
        if number and len(found) == number and all(bits & bit for bits in found):
            full.add(key)
    return full


def _find_partial(known: Mapping[int, CountedMeter], incomplete: Sequence[DayKey]) -> list[DayKey]:
    """Return the days of which a part may be there. Of a day or month with one interval nothing can be."""
    by_day = [key for key in incomplete if not is_by_month(key.period)]
    owners = {row.pk: key.device for key in by_day for row in known[key.device].series.get(key.period, ())}
    if not owners:
        return []
    rows = Chunk.objects.filter(
        is_one_of("series_id", list(owners)), start__in={key.day for key in by_day}
    ).values_list("series_id", "start")
    there = {(owners[series_id], start) for series_id, start in rows}
    return [key for key in by_day if (key.device, key.day) in there]


def _look(
    known: Mapping[int, CountedMeter], wanted: Sequence[DayKey], counts: dict[DayKey, Count | None]
) -> None:
    """Find out which intervals are missing, and why."""
    by_day: dict[tuple[str, date], list[int]] = defaultdict(list)
    for key in wanted:
        by_day[key.period, key.day].append(key.device)
    for (period, day), devices in sorted(by_day.items()):
        found = find_gaps([known[key].device for key in devices], period, day, day + DAY)
        lacking = {one.device.pk: one.gaps for one in found}
        for device in devices:
            missing: Counter[str] = Counter()
            for gap in lacking.get(device, ()):
                missing[str(gap.reason)] += gap.count
            count = counts[DayKey(device, period, day)]
            assert count is not None
            count.missing = dict(missing)


def _guess(
    known: Mapping[int, CountedMeter], keys: Collection[DayKey], counts: Mapping[DayKey, Count | None]
) -> None:
    """Keep the reasons of days of which nothing is there; new ones are being fetched, or were never asked."""
    meters = {known[key.device].device.gateway_id or key.device for key in keys}
    pending = Request.objects.order_by().filter(
        is_one_of("meter", meters), state__in=[*WAITING_STATES, RequestState.RUNNING]
    )
    being_asked = set(pending.filter(message__in=FETCHED_BY.values()).values_list("device_id", flat=True))
    for key in keys:
        count, before = counts[key], known[key.device].days.get((key.period, key.day))
        assert count is not None
        if before is not None and sum(before.missing.values()) == before.expected == count.expected:
            count.missing = before.missing
        elif key.device in being_asked:
            count.missing = {str(Reason.BEING_FETCHED): count.expected}
        else:
            count.missing = {str(Reason.NEVER_ASKED): count.expected}


def _judge_lateness(
    known: Mapping[int, CountedMeter],
    counts: Mapping[DayKey, Count | None],
    now: datetime,
    begun_at: datetime,
) -> None:
    """Count the late ones among received intervals, of days of which more are there than before."""
    after: timedelta = settings.OSGP["READINGS_LATE_AFTER"]
    latest = int((now - after).timestamp())
    earliest = int((begun_at - after).timestamp())
    asked: dict[DayKey, list[SeriesEnds]] = {}
    for key, count in counts.items():
        if count is None:
            continue
        counted = known[key.device]
        before = counted.days.get((key.period, key.day))
        count.late = before.late if before else 0
        if count.received <= (before.received if before else 0):
            continue
        start = to_month(key.day) if is_by_month(key.period) else key.day
        parts = [
            SeriesEnds(row.pk, start, list_ends(key.period, key.day, row.time_zone, row.capture_period))
            for row in counted.series.get(key.period, ())
        ]
        if any(earliest <= part.ends[0] < latest for part in parts if part.ends):
            asked[key] = parts
    for key, number in lateness.count_late(asked, after).items():
        count = counts[key]
        assert count is not None
        count.late = min(number, count.received)


def _store(known: Mapping[int, CountedMeter], counts: Mapping[DayKey, Count | None]) -> None:
    differences = Differences()
    stored: list[CountedDay] = []
    gone: dict[tuple[str, date], list[int]] = defaultdict(list)
    for key, count in counts.items():
        counted = known[key.device]
        before = counted.days.pop((key.period, key.day), None)
        if before is not None:
            assert counted.before is not None
            differences.add(counted.before.scopes, key.period, key.day, before.as_numbers(), -1)
        if count is not None:
            differences.add(counted.scopes, key.period, key.day, count.as_numbers())
            if count != before:
                missing = dict(count.missing) or None
                stored.append(
                    CountedDay(
                        device_id=key.device,
                        period=key.period,
                        day=key.day,
                        expected=count.expected,
                        late=count.late,
                        missing=missing,
                    )
                )
        elif before is not None:
            gone[key.period, key.day].append(key.device)
    for counted in known.values():
        if counted.before is not None and counted.before.scopes != counted.scopes:
            for (period, day), count in counted.days.items():
                differences.add(counted.before.scopes, period, day, count.as_numbers(), -1)
                differences.add(counted.scopes, period, day, count.as_numbers())
    CountedDay.objects.bulk_create(
        stored,
        batch_size=1000,
        update_conflicts=True,
        unique_fields=["device_id", "period", "day"],
        update_fields=["expected", "late", "missing"],
    )
    for (period, day), devices in gone.items():
        CountedDay.objects.filter(device_id__in=devices, period=period, day=day).delete()
    _store_devices(known.values())
    differences.store()


def _describe(row: CountedDevice) -> tuple[str, str, date]:
    return row.scopes, row.basis, row.until


def _store_devices(known: Iterable[CountedMeter]) -> None:
    """Note what was counted, and forget days that are not counted any more; the totals keep them."""
    changed = []
    for counted in known:
        row = CountedDevice(
            device_id=counted.device.pk, scopes=counted.scopes, basis=counted.basis, until=counted.today
        )
        before = counted.before
        if before is None or _describe(before) != _describe(row):
            changed.append((row, counted.window))
    CountedDevice.objects.bulk_create(
        [row for row, _ in changed],
        batch_size=1000,
        update_conflicts=True,
        unique_fields=["device"],
        update_fields=["scopes", "basis", "until"],
    )
    by_window: defaultdict[date, list[int]] = defaultdict(list)
    for row, window in changed:
        by_window[window].append(row.pk)
    for window, keys in by_window.items():
        CountedDay.objects.filter(is_one_of("device_id", keys), day__lt=window).delete()
