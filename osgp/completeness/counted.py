"""Devices to be counted: what was counted of them before, and what is expected of their days."""

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

from osgp.completeness.buffers import find_step
from osgp.completeness.expectation import find_first_expected
from osgp.completeness.full_days import GONE
from osgp.completeness.membership import find_scopes
from osgp.completeness.models import CountedDay, CountedDevice
from osgp.completeness.totals import Count
from osgp.devices.models import Device
from osgp.messages.readings import Period
from osgp.readings.calendar import DAY, list_expected_ends
from osgp.readings.models import Series
from osgp.sql import is_one_of

COUNTED_PERIODS = (Period.INTERVAL, Period.DAILY, Period.MONTHLY)


class SeriesRow(NamedTuple):
    """What counting needs to know of a series."""

    id: int
    time_zone: str
    capture_period: int
    first_end: int | None


class Expectation(NamedTuple):
    """The interval ends of a day that all meters of a kind have, in seconds since 1970, ascending."""

    ends: tuple[int, ...]
    first: int


Kinds = frozenset[tuple[str, int]]
"""Time zones and capture periods of the series of a device: nearly always one of each."""


@dataclass
class CountedMeter:
    """A device, and what was counted of it before."""

    device: Device
    scopes: str
    today: date
    series: Mapping[str, Sequence[SeriesRow]]
    before: CountedDevice | None
    basis: str = ""
    since: dict[str, int] = field(default_factory=dict)
    """By period the first interval end that may be expected."""
    days: dict[tuple[str, date], Count] = field(default_factory=dict)
    """What was counted of incomplete days, or of all if it counts for others than before, or anew."""

    def __post_init__(self) -> None:
        of_periods = []
        for period in COUNTED_PERIODS:
            rows = self.series.get(period, ())
            self.since[period] = find_first_expected(self.device, rows)
            # A day that was complete lacks the values of a quantity that has begun since.
            of_periods.append(f"{self.since[period]}/{len(rows)}")
        device, meter = self.device, self.device.gateway or self.device
        profile = f"{meter.protocol_name}-{meter.protocol_version}"
        place = (device.time_zone, str(device.channel or ""), profile)
        self.basis = "|".join(("gone" if self.is_gone else "", *place, *of_periods))

    @property
    def is_gone(self) -> bool:
        """Whether nothing is expected of it any more."""
        return self.device.lifecycle_status in GONE

    @property
    def window(self) -> date:
        """The first day that is counted."""
        days: timedelta = settings.OSGP["READINGS_COUNTED_DAYS"]
        return self.today - days

    @property
    def is_anew(self) -> bool:
        """Whether all its days must be counted."""
        return self.before is None or self.before.basis != self.basis

    def choose_days(self, period: str) -> list[date]:
        """Return the days of a period that are to be counted now: new and incomplete ones, or all."""
        window = first = self.window
        if not self.is_anew:
            assert self.before is not None
            first = max(first, self.before.until)
        days = {first + number * DAY for number in range((self.today - first).days)}
        for (of_period, day), count in self.days.items():
            if of_period == period and day >= window and (count.missing or self.is_anew):
                days.add(day)
        return sorted(days)

    def find_kinds(self, period: str) -> Kinds:
        """Return of what kind its series of a period are, or would be; none if it keeps nothing of it."""
        if self.is_gone:
            return frozenset()
        rows = self.series.get(period, ())
        if rows:
            return frozenset((row.time_zone, row.capture_period) for row in rows)
        step = find_step(self.device, period)
        return frozenset({(self.device.time_zone, step)}) if step else frozenset()


@lru_cache(maxsize=4096)
def expect(kinds: Kinds, period: str, day: date) -> Expectation:
    """Return the interval ends of a day; most meters have the same."""
    ends = {
        end
        for zone, step in kinds
        for end in list_expected_ends(period, day, day + DAY, find_zone(zone), step)
    }
    return Expectation(tuple(sorted(ends)), min(ends, default=0))


@lru_cache
def find_zone(name: str) -> ZoneInfo:
    """Return a time zone; ZoneInfo has them as well, but takes longer."""
    return ZoneInfo(name)


def read_known(keys: Collection[int], now: datetime) -> dict[int, CountedMeter]:
    """Return those of the devices that exist, with what was counted of them. A few statements."""
    devices = list(Device.objects.order_by().select_related("gateway").filter(is_one_of("pk", keys)))
    before = {row.pk: row for row in CountedDevice.objects.filter(is_one_of("device", keys))}
    scopes = find_scopes(devices)
    series: defaultdict[int, dict[str, list[SeriesRow]]] = defaultdict(dict)
    rows = Series.objects.filter(
        is_one_of("device", keys), period__in=COUNTED_PERIODS, channel=Coalesce(F("device__channel"), 0)
    )
    for key, period, *row in rows.values_list("device_id", "period", *SeriesRow._fields):
        series[key].setdefault(period, []).append(SeriesRow._make(row))
    todays = {zone: now.astimezone(find_zone(zone)).date() for zone in {each.time_zone for each in devices}}
    known = {
        device.pk: CountedMeter(
            device, scopes[device.pk], todays[device.time_zone], series[device.pk], before.get(device.pk)
        )
        for device in devices
    }
    _read_former_days(known)
    return known


def _read_former_days(known: Mapping[int, CountedMeter]) -> None:
    whole = [
        key
        for key, counted in known.items()
        if counted.before is not None and (counted.is_anew or counted.before.scopes != counted.scopes)
    ]
    others = known.keys() - set(whole)
    for rows in (
        CountedDay.objects.filter(is_one_of("device_id", whole)),
        CountedDay.objects.filter(missing__isnull=False, device_id__in=others),
    ):
        for key, period, day, *count in rows.values_list(*COLUMNS):
            known[key].days[period, day] = make_count(*count)


COLUMNS = ("device_id", "period", "day", "expected", "late", "missing")
"""Of a counted day; the last three are for :func:`make_count`."""


def make_count(expected: int, late: int, missing: Mapping[str, int] | None) -> Count:
    """Make a count of stored columns."""
    return Count(expected, late, tuple(sorted((missing or {}).items())))
