"""A device's load profile for people: what was used in each interval of a day, week, month or year of its own
calendar, with what is missing in between."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from zoneinfo import ZoneInfo

from django.db.models import Max

from osgp.cosem.amr_status import list_flags
from osgp.devices.models import Device
from osgp.messages.readings import Period
from osgp.readings import clock
from osgp.readings.calendar import DAY, day_span, expected_ends, month_of, next_month
from osgp.readings.models import Chunk, Series
from osgp.readings.quantities import tag_of
from osgp.readings.queries import Reading, Selection, readings

VIEWS = {
    Period.INTERVAL: ("day", "week", "month"),
    Period.DAILY: ("month", "year"),
    Period.MONTHLY: ("year",),
    Period.ACTUAL: ("day", "week", "month"),
}
MARGINS = {Period.INTERVAL: 86_400, Period.DAILY: 2 * 86_400, Period.MONTHLY: 33 * 86_400, Period.ACTUAL: 0}
"""Seconds before a range in which the value before its first one is found."""
UNREMARKABLE = frozenset({"DAYLIGHT_SAVING"})
"""Flags that say nothing about a value's quality."""


@dataclass(frozen=True)
class Range:
    """The days that a view shows, from ``first`` on and before ``until``, and where to go from there."""

    view: str
    first: date
    until: date

    @classmethod
    def around(cls, view: str, day: date) -> "Range":
        """The day, week (from Monday), month or year that a day is in."""
        if view == "week":
            first = day - day.weekday() * DAY
            return cls(view, first, first + 7 * DAY)
        if view == "month":
            return cls(view, month_of(day), next_month(day))
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
        """As people say it."""
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
    """Since the interval before; None if either value is missing."""

    @property
    def flags(self) -> list[str]:
        """Flags of the status that one should know of."""
        status = self.reading.status if self.reading else None
        return [] if status is None else [flag for flag in list_flags(status) if flag not in UNREMARKABLE]


@dataclass(frozen=True)
class Panel:
    """One quantity."""

    series: Series
    name: str
    slots: Sequence[Slot]
    others: Sequence[Reading] = field(default=())
    """Values at times at which none is expected."""

    @property
    def missing(self) -> int:
        """How many values there should be by now and are not."""
        now = clock.now().timestamp()
        return sum(1 for slot in self.slots if slot.reading is None and slot.end <= now)

    @property
    def total(self) -> Decimal | None:
        """What was used in all, as far as it is known; None if nothing is."""
        known = [slot.used for slot in self.slots if slot.used is not None]
        return sum(known, Decimal(0)) if known else None


@dataclass(frozen=True)
class LoadProfile:
    """What a page shows of a device."""

    device: Device
    zone: ZoneInfo
    period: str
    range: Range
    panels: Sequence[Panel]


def periods(device: Device) -> list[str]:
    """The periods that there are readings of."""
    known = set(Series.objects.filter(device=device).values_list("period", flat=True))
    return [str(period) for period in Period if period in known]


def latest_day(device: Device, period: str) -> date | None:
    """The day, or first day of the month, of the latest values."""
    series = list(Series.objects.filter(device=device, period=period).values_list("pk", flat=True))
    latest: date | None = Chunk.objects.filter(series_id__in=series).aggregate(day=Max("start"))["day"]
    return latest


def load_profile(device: Device, period: str, shown: Range) -> LoadProfile:
    """The values of a range with those that are missing."""
    zone = ZoneInfo(device.time_zone)
    begin, end = day_span(shown.first, zone).begin, day_span(shown.until, zone).begin
    series = Series.objects.filter(device=device, period=period)
    # One interval earlier as well: what was used is the difference.
    margin = (
        0 if period == Period.ACTUAL else {"INTERVAL": 86_400, "DAILY": 2 * 86_400}.get(period, 33 * 86_400)
    )
    selection = Selection(
        series,
        datetime.fromtimestamp(begin - margin, UTC),
        datetime.fromtimestamp(end, UTC) + timedelta(seconds=1),
    )
    by_series: dict[int, dict[int, Reading]] = {}
    for reading in readings(selection):
        by_series.setdefault(reading.series.pk, {})[int(reading.interval_end.timestamp())] = reading
    panels = []
    for row in series.order_by("channel", "quantity", "unit"):
        known = by_series.get(row.pk, {})
        name = tag_of(device.protocol_name, device.protocol_version, row.quantity) or row.quantity
        ends = _ends(row, period, shown, zone, known, begin)
        slots = _slots(ends, known, period)
        expected = set(ends)
        others = [known[at] for at in sorted(known) if begin < at <= end and at not in expected]
        panels.append(Panel(row, name, slots, others))
    return LoadProfile(device, zone, period, shown, panels)


def _ends(
    series: Series, period: str, shown: Range, zone: ZoneInfo, known: dict[int, Reading], begin: int
) -> list[int]:
    """The interval ends of the range, and the one before them."""
    if period == Period.ACTUAL:
        return [begin, *(at for at in sorted(known) if at > begin)]
    ends = expected_ends(period, shown.first, shown.until, zone, series.capture_period)
    before = begin
    if period == Period.MONTHLY and ends:
        before = day_span(month_of(datetime.fromtimestamp(ends[0] - 1, zone).date()), zone).begin
    return [before, *ends]


def _slots(ends: Sequence[int], known: dict[int, Reading], period: str) -> list[Slot]:
    slots = []
    for before, end in pairwise(ends):
        reading, former = known.get(end), known.get(before)
        used = None
        if reading is not None and former is not None and period != Period.ACTUAL:
            used = reading.value - former.value
        slots.append(Slot(before, end, reading, used))
    return slots
