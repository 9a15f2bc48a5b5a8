"""Devices to be counted: what was counted of them before, and what is expected of their days."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import Count as CountOf
from django.db.models import F, Min, QuerySet
from django.db.models.functions import Coalesce

from osgp.completeness.buffers import find_step
from osgp.completeness.expectation import find_first_expected
from osgp.completeness.full_days import GONE
from osgp.completeness.membership import find_scopes
from osgp.completeness.models import CountedDay, CountedDevice
from osgp.completeness.totals import Count
from osgp.devices.models import MBUS_DEVICE_TYPES, Device
from osgp.messages.readings import Period
from osgp.readings.calendar import DAY, list_expected_ends
from osgp.readings.models import Series
from osgp.sql import is_one_of

COUNTED_PERIODS = (Period.INTERVAL, Period.DAILY, Period.MONTHLY)


class DeviceRow(NamedTuple):
    """What counting needs to know of a device and its gateway. Rows of the ORM take ten times as long."""

    pk: int
    device_type: str
    lifecycle_status: str
    time_zone: str
    channel: int | None
    installed_at: datetime | None
    created_at: datetime
    network_id: int | None
    protocol_name: str
    protocol_version: str
    gateway_id: int | None
    gateway__network_id: int | None
    gateway__protocol_name: str | None
    gateway__protocol_version: str | None

    @property
    def profile(self) -> tuple[str, str]:
        """Name and version of the protocol of the meter that is dialled."""
        if self.gateway_id is None:
            return self.protocol_name, self.protocol_version
        return self.gateway__protocol_name or "", self.gateway__protocol_version or ""


class Begun(NamedTuple):
    """The series of a period: how many there are, and where the first one begins, as far as that is known."""

    number: int
    first_end: int | None


class SeriesRow(NamedTuple):
    """What counting needs to know of a series."""

    id: int
    time_zone: str
    capture_period: int


class Expectation(NamedTuple):
    """The interval ends of a day that all meters of a kind have, in seconds since 1970, ascending."""

    ends: tuple[int, ...]
    first: int


Kinds = frozenset[tuple[str, int]]
"""Time zones and capture periods of the series of a device: nearly always one of each."""


@dataclass
class CountedMeter:
    """A device, and what was counted of it before."""

    device: DeviceRow
    scopes: str
    today: date
    before: tuple[str, str, date] | None
    """The scopes and the basis with which it was counted, and until when."""
    basis: str
    since: Mapping[str, int]
    """By period the first interval end that may be expected."""
    series: dict[str, list[SeriesRow]] = field(default_factory=dict)
    """Those of periods of which days are to be counted."""
    days: dict[tuple[str, date], Count] = field(default_factory=dict)
    """What was counted of incomplete days, or of all if it counts for others than before, or anew."""

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
        return self.before is None or self.before[1] != self.basis

    @property
    def is_moved(self) -> bool:
        """Whether it counts for others than before."""
        return self.before is not None and self.before[0] != self.scopes

    @property
    def is_as_before(self) -> bool:
        """Whether there is nothing to count but incomplete days."""
        return self.before == (self.scopes, self.basis, self.today)

    def choose_days(self, period: str) -> list[date]:
        """Return the days of a period that are to be counted now: new and incomplete ones, or all."""
        window = first = self.window
        if not self.is_anew:
            assert self.before is not None
            first = max(first, self.before[2])
        days = {first + number * DAY for number in range((self.today - first).days)}
        for (of_period, day), count in self.days.items():
            if of_period == period and day >= window and (count.missing or self.is_anew):
                days.add(day)
        return sorted(days)

    def find_kinds(self, period: str) -> Kinds:
        """Return of what kind its series of a period are, or would be; none if it keeps nothing of it."""
        if self.is_gone:
            return frozenset()
        rows = self.series.get(period)
        if rows:
            return frozenset((row.time_zone, row.capture_period) for row in rows)
        step = find_step(*self.device.profile, self.device.device_type in MBUS_DEVICE_TYPES, period)
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


def read_known(keys: Collection[int], now: datetime, *, only_new: bool = False) -> dict[int, CountedMeter]:
    """Return those of the devices that exist, with what was counted of them. A few statements.

    With ``only_new`` without those of which nothing but incomplete days might be counted.
    """
    rows = Device.objects.order_by().filter(is_one_of("pk", keys)).values_list(*DeviceRow._fields)
    devices = [DeviceRow._make(row) for row in rows]
    counted = CountedDevice.objects.filter(is_one_of("device", keys))
    before = {key: tuple(row) for key, *row in counted.values_list("device_id", "scopes", "basis", "until")}
    scopes = find_scopes(devices)
    begun = _read_begun(keys)
    known = {}
    for device in devices:
        since, basis = _describe(device, begun.get(device.pk, {}))
        one = CountedMeter(
            device,
            scopes[device.pk],
            _find_today(device.time_zone, now),
            before.get(device.pk),  # type: ignore[arg-type]
            basis,
            since,
        )
        if not (only_new and one.is_as_before):
            known[device.pk] = one
    _read_former_days(known, only_new=only_new)
    return known


def read_series(known: Mapping[int, CountedMeter], keys: Collection[int]) -> None:
    """Read the series of these devices, by which their days are counted. One statement."""
    rows = _filter_series(keys).values_list("device_id", "period", *SeriesRow._fields)
    for key, period, *row in rows:
        known[key].series.setdefault(period, []).append(SeriesRow._make(row))


def _filter_series(keys: Collection[int]) -> QuerySet[Series]:
    return Series.objects.order_by().filter(
        is_one_of("device", keys), period__in=COUNTED_PERIODS, channel=Coalesce(F("device__channel"), 0)
    )


def _read_begun(keys: Collection[int]) -> dict[int, dict[str, Begun]]:
    begun: defaultdict[int, dict[str, Begun]] = defaultdict(dict)
    # Of series that were begun before this was noted, nothing is known: all is expected.
    first = Min(Coalesce(F("first_end"), 0))
    for key, period, number, first_end in (
        _filter_series(keys).values_list("device_id", "period").annotate(CountOf("pk"), first=first)
    ):
        begun[key][period] = Begun(number, first_end)
    return begun


def _describe(device: DeviceRow, begun: Mapping[str, Begun]) -> tuple[dict[str, int], str]:
    """From when on values of a device are expected, by period; and all that this depends on, as text."""
    since, of_periods = {}, []
    for period in COUNTED_PERIODS:
        series = begun.get(period)
        since[period] = find_first_expected(device, [series] if series else [])
        # A day that was complete lacks the values of a quantity that has begun since.
        of_periods.append(f"{since[period]}/{series.number if series else 0}")
    gone = "gone" if device.lifecycle_status in GONE else ""
    place = (device.time_zone, str(device.channel or ""), "-".join(device.profile))
    return {str(period): since[period] for period in since}, "|".join((gone, *place, *of_periods))


def _find_today(zone: str, now: datetime) -> date:
    return now.astimezone(find_zone(zone)).date()


def _read_former_days(known: Mapping[int, CountedMeter], *, only_new: bool) -> None:
    whole = {key for key, one in known.items() if one.before is not None and (one.is_anew or one.is_moved)}
    wanted = [CountedDay.objects.filter(is_one_of("device_id", whole))]
    if not only_new:
        others = known.keys() - whole
        wanted.append(CountedDay.objects.filter(missing__isnull=False, device_id__in=others))
    for rows in wanted:
        for key, period, day, *count in rows.values_list(*COLUMNS):
            known[key].days[period, day] = make_count(*count)


COLUMNS = ("device_id", "period", "day", "expected", "late", "missing")
"""Of a counted day; the last three are for :func:`make_count`."""


def make_count(expected: int, late: int, missing: Mapping[str, int] | None) -> Count:
    """Make a count of stored columns."""
    return Count(expected, late, tuple(sorted((missing or {}).items())))
