"""A device's load profile for people: consumption in each interval of a day, week, month or year of its own
calendar, with the missing intervals.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from zoneinfo import ZoneInfo

from django.db.models import Max

from osgp.cosem.amr_status import DAYLIGHT_SAVING
from osgp.devices.models import Device
from osgp.messages.readings import Period
from osgp.readings import clock
from osgp.readings.calendar import DAY, find_day_span, list_expected_ends, to_month, to_next_month
from osgp.readings.models import Chunk, Series
from osgp.readings.quantities import find_tag
from osgp.readings.queries import Reading, Selection, read_readings

VIEWS = {
    Period.INTERVAL: ("day", "week", "month"),
    Period.DAILY: ("month", "year"),
    Period.MONTHLY: ("year",),
    Period.ACTUAL: ("day", "week", "month"),
}
MARGINS = {Period.INTERVAL: 86_400, Period.DAILY: 2 * 86_400, Period.MONTHLY: 33 * 86_400, Period.ACTUAL: 0}
"""Seconds before a range in which the value before its first one is found."""
UNREMARKABLE = frozenset({DAYLIGHT_SAVING})
"""Flags that say nothing about a value's quality."""


@dataclass(frozen=True)
class Range:
    """The days that a view shows, from ``first`` on and before ``until``, and the ranges around them."""

    view: str
    first: date
    until: date

    @classmethod
    def from_day(cls, view: str, day: date) -> "Range":
        """Return the day, week (from Monday), month or year that contains a day."""
        if view == "week":
            first = day - day.weekday() * DAY
            return cls(view, first, first + 7 * DAY)
        if view == "month":
            return cls(view, to_month(day), to_next_month(day))
        if view == "year":
            return cls(view, day.replace(month=1, day=1), day.replace(year=day.year + 1, month=1, day=1))
        return cls("day", day, day + DAY)

    @property
    def before(self) -> date:
        """A day of the range before."""
        return self.first - DAY

    @property
    def after(self) -> date:
        """A day of the range after."""
        return self.until

    @property
    def title(self) -> str:
        """The range in words."""
        if self.view == "day":
            return f"{self.first:%A} {self.first.day} {self.first:%B %Y}"
        if self.view == "week":
            last = self.until - DAY
            week = self.first.isocalendar().week
            return f"Week {week}: {self.first.day} {self.first:%B} to {last.day} {last:%B %Y}"
        return f"{self.first:%B %Y}" if self.view == "month" else f"{self.first:%Y}"


@dataclass(frozen=True)
class Slot:
    """An interval of one quantity, seconds since 1970: after ``begin`` until ``end``."""

    begin: int
    end: int
    reading: Reading | None
    used: Decimal | None
    """Consumption since the end before; None if either value is missing."""

    @property
    def flags(self) -> list[str]:
        """Flags of the status that matter for the value's quality."""
        told = self.reading.name_flags(self.reading.status) if self.reading else None
        return [flag for flag in told or () if flag not in UNREMARKABLE]


@dataclass(frozen=True)
class Panel:
    """The slots of one quantity."""

    series: Series
    name: str
    slots: Sequence[Slot]
    others: Sequence[Reading] = field(default=())
    """Values at unexpected times."""

    @property
    def missing(self) -> int:
        """Number of values that should exist by now and do not."""
        now = clock.now().timestamp()
        return sum(1 for slot in self.slots if slot.reading is None and slot.end <= now)

    @property
    def total(self) -> Decimal | None:
        """Total consumption, as far as it is known; None if none is."""
        known = [slot.used for slot in self.slots if slot.used is not None]
        return sum(known, Decimal(0)) if known else None


@dataclass(frozen=True)
class LoadProfile:
    """The panels that a page shows of a device."""

    device: Device
    zone: ZoneInfo
    period: str
    range: Range
    panels: Sequence[Panel]


def list_periods(device: Device) -> list[str]:
    """Return the periods for which a device has readings."""
    known = set(Series.objects.filter(device=device).values_list("period", flat=True))
    return [str(period) for period in Period if period in known]


def find_latest_day(device: Device, period: str) -> date | None:
    """Return the day, or first day of the month, of the latest values."""
    series = list(Series.objects.filter(device=device, period=period).values_list("pk", flat=True))
    latest: date | None = Chunk.objects.filter(series_id__in=series).aggregate(day=Max("start"))["day"]
    return latest


def read_load_profile(device: Device, period: str, shown: Range) -> LoadProfile:
    """Return the values of a range, with the missing ones."""
    zone = ZoneInfo(device.time_zone)
    begin, end = find_day_span(shown.first, zone).begin, find_day_span(shown.until, zone).begin
    series = Series.objects.filter(device=device, period=period)
    # The interval before the range is read too: consumption is a difference.
    selection = Selection(
        series,
        datetime.fromtimestamp(begin - MARGINS[Period(period)], UTC),
        datetime.fromtimestamp(end, UTC) + timedelta(seconds=1),
    )
    by_series: dict[int, dict[int, Reading]] = {}
    for reading in read_readings(selection):
        by_series.setdefault(reading.series.pk, {})[int(reading.interval_end.timestamp())] = reading
    panels = []
    meter = device.gateway or device
    for row in series.order_by("channel", "quantity", "unit"):
        known = by_series.get(row.pk, {})
        name = find_tag(meter.protocol_name, meter.protocol_version, row.quantity) or row.quantity
        ends = _list_ends(row, period, shown, zone, known, begin)
        slots = _make_slots(ends, known, period)
        expected = set(ends)
        others = [known[at] for at in sorted(known) if begin < at <= end and at not in expected]
        panels.append(Panel(row, name, slots, others))
    return LoadProfile(device, zone, period, shown, panels)


def _list_ends(
    series: Series, period: str, shown: Range, zone: ZoneInfo, known: dict[int, Reading], begin: int
) -> list[int]:
    """Return the interval ends of the range, and the one before them."""
    if period == Period.ACTUAL:
        return [begin, *(at for at in sorted(known) if at > begin)]
    ends = list_expected_ends(period, shown.first, shown.until, zone, series.capture_period)
    before = begin
    if period == Period.MONTHLY and ends:
        before = find_day_span(to_month(datetime.fromtimestamp(ends[0] - 1, zone).date()), zone).begin
    return [before, *ends]


def _make_slots(ends: Sequence[int], known: dict[int, Reading], period: str) -> list[Slot]:
    slots = []
    for before, end in pairwise(ends):
        reading, former = known.get(end), known.get(before)
        used = None
        if reading is not None and former is not None and period != Period.ACTUAL:
            used = reading.value - former.value
        slots.append(Slot(before, end, reading, used))
    return slots
