"""Devices to be counted: what was counted of them before, and which of their days are to be counted now."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import F
from django.db.models.functions import Coalesce

from osgp.completeness import totals
from osgp.completeness.buffers import find_buffer, keeps
from osgp.completeness.expectation import find_first_expected
from osgp.completeness.full_days import GONE
from osgp.completeness.membership import find_scopes
from osgp.completeness.models import CountedDay, CountedDevice
from osgp.devices.models import Device
from osgp.messages.readings import Period
from osgp.readings.buffers import INTERVAL_SECONDS
from osgp.readings.calendar import DAY, list_expected_ends
from osgp.readings.models import Series
from osgp.sql import is_one_of

COUNTED_PERIODS = (Period.INTERVAL, Period.DAILY, Period.MONTHLY)


class DayKey(NamedTuple):
    """A day of a device."""

    device: int
    period: str
    day: date


@dataclass
class Count:
    """What is known of a day, in intervals."""

    expected: int
    late: int = 0
    missing: Mapping[str, int] = field(default_factory=dict)
    """By reason."""

    @property
    def received(self) -> int:
        """Intervals of which all values are stored."""
        return self.expected - sum(self.missing.values())

    def as_numbers(self) -> dict[str, int]:
        """Return what it adds to totals."""
        return {
            totals.METERS: 1,
            totals.COMPLETE: not self.missing,
            totals.EXPECTED: self.expected,
            totals.RECEIVED: self.received,
            totals.LATE: self.late,
            **self.missing,
        }


@dataclass
class CountedMeter:
    """A device, and what was counted of it before."""

    device: Device
    scopes: str
    basis: str
    today: date
    series: dict[str, list[Series]]
    before: CountedDevice | None
    days: dict[tuple[str, date], Count] = field(default_factory=dict)
    """Of the days to be counted now, and of all if it counts for others than before."""

    @property
    def window(self) -> date:
        """The first day that is counted."""
        days: timedelta = settings.OSGP["READINGS_COUNTED_DAYS"]
        return self.today - days

    @property
    def is_anew(self) -> bool:
        """Whether all its days must be counted."""
        return self.before is None or self.before.basis != self.basis


def read_known(keys: Collection[int], now: datetime) -> dict[int, CountedMeter]:
    """Return those of the devices that exist, with what was counted of them. A few statements."""
    devices = list(Device.objects.order_by().select_related("gateway").filter(is_one_of("pk", keys)))
    before = {row.pk: row for row in CountedDevice.objects.filter(is_one_of("device", keys))}
    scopes = find_scopes(devices)
    series: dict[int, dict[str, list[Series]]] = defaultdict(lambda: defaultdict(list))
    rows = Series.objects.filter(
        is_one_of("device", keys), period__in=COUNTED_PERIODS, channel=Coalesce(F("device__channel"), 0)
    )
    for row in rows:
        series[row.device_id][row.period].append(row)
    known = {}
    for device in devices:
        of_device = series[device.pk]
        today = now.astimezone(_find_zone(device.time_zone)).date()
        basis = _describe_basis(device, of_device)
        known[device.pk] = CountedMeter(
            device, scopes[device.pk], basis, today, of_device, before.get(device.pk)
        )
    _read_former_days(known)
    return known


def _describe_basis(device: Device, series: Mapping[str, Sequence[Series]]) -> str:
    """What the expected intervals of a device depend on, beside the calendar."""
    of_periods = []
    for period in COUNTED_PERIODS:
        rows = series.get(period, ())
        # A day that was complete lacks the values of a quantity that has begun since.
        of_periods.append(f"{find_first_expected(device, rows)}/{len(rows)}")
    meter = device.gateway or device
    return "|".join(
        (
            "gone" if device.lifecycle_status in GONE else "",
            device.time_zone,
            str(device.channel or ""),
            f"{meter.protocol_name}-{meter.protocol_version}",
            *of_periods,
        )
    )


def _read_former_days(known: Mapping[int, CountedMeter]) -> None:
    """Read what was counted of incomplete days; of devices that count for others, or anew, of all days."""
    whole = [
        key
        for key, counted in known.items()
        if counted.before is not None and (counted.is_anew or counted.before.scopes != counted.scopes)
    ]
    rows = CountedDay.objects.filter(is_one_of("device_id", whole))
    others = known.keys() - set(whole)
    rest = CountedDay.objects.filter(missing__isnull=False, device_id__in=others)
    for row in [*rows, *rest]:
        known[row.device_id].days[row.period, row.day] = to_count(row)


def to_count(row: CountedDay) -> Count:
    return Count(row.expected, row.late, row.missing or {})


def choose_days(known: Mapping[int, CountedMeter]) -> list[DayKey]:
    wanted: set[DayKey] = set()
    for key, counted in known.items():
        first = counted.window
        if not counted.is_anew:
            assert counted.before is not None
            first = max(first, counted.before.until)
        days = [first + number * DAY for number in range((counted.today - first).days)]
        wanted |= {DayKey(key, period, day) for period in COUNTED_PERIODS for day in days}
        again = [at for at, count in counted.days.items() if counted.is_anew or count.missing]
        wanted |= {DayKey(key, period, day) for period, day in again if day >= counted.window}
    return sorted(wanted)


@lru_cache(maxsize=4096)
def list_ends(period: str, day: date, zone: str, step: int) -> tuple[int, ...]:
    return tuple(list_expected_ends(period, day, day + DAY, _find_zone(zone), step))


@lru_cache
def _find_zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def count_expected(counted: CountedMeter, key: DayKey) -> int:
    """Return how many intervals of a day are expected; 0 of a device that is gone or keeps none."""
    device = counted.device
    if device.lifecycle_status in GONE:
        return 0
    series = counted.series.get(key.period, ())
    if series:
        kinds = {(row.time_zone, row.capture_period) for row in series}
    elif keeps(device, key.period):
        buffer = find_buffer(device, key.period)
        kinds = {(device.time_zone, (buffer and buffer.capture_period) or INTERVAL_SECONDS)}
    else:
        return 0
    since = find_first_expected(device, series)
    ends = {end for zone, step in kinds for end in list_ends(key.period, key.day, zone, step)}
    return sum(1 for end in ends if end >= since) if since and ends and since > min(ends) else len(ends)
