"""The table beneath a load profile: a row for each interval, or for each day when those are many."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import groupby

from osgp.messages.readings import Period
from osgp.readings import clock
from osgp.readings.calendar import find_day
from osgp.readings.profile import LoadProfile, Panel, Slot
from osgp.readings.queries import Reading

MOST_ROWS = 200
"""Intervals that have a row each."""


@dataclass(frozen=True)
class Cell:
    """What one quantity has in a row."""

    value: Decimal | None
    used: Decimal | None
    missing: int = 0
    flags: Sequence[str] = ()
    reading: Reading | None = None


@dataclass(frozen=True)
class Row:
    """An interval by its end, or a day."""

    end: datetime
    day: date | None
    """The day that the row sums up; it has a page of its own."""
    cells: Sequence[Cell]

    @property
    def label(self) -> str:
        """When, in the time of the device."""
        return f"{self.day:%a %d %b}" if self.day else f"{self.end:%a %d %b %H:%M}"

    @property
    def missing(self) -> int:
        """The most values that a quantity lacks."""
        return max((cell.missing for cell in self.cells), default=0)

    @property
    def is_missing(self) -> bool:
        """Whether an interval lacks a value."""
        return self.day is None and self.missing > 0

    @property
    def flags(self) -> list[str]:
        """Of all quantities."""
        return sorted({flag for cell in self.cells for flag in cell.flags})

    @property
    def _readings(self) -> list[Reading]:
        return [cell.reading for cell in self.cells if cell.reading is not None]

    @property
    def received_at(self) -> datetime | None:
        """When the latest of the values was first received."""
        times = [
            one.provenance.received_at for one in self._readings if one.provenance.received_at is not None
        ]
        return max(times, default=None)

    @property
    def is_late(self) -> bool:
        """Whether a value was received long after its interval's end."""
        return any(one.is_late for one in self._readings)

    @property
    def former(self) -> str:
        """What the meter said at other times."""
        said = [f"{former.value:f}" for one in self._readings for former in one.former]
        return f"was {', '.join(said)}" if said else ""


def build_rows(profile: LoadProfile) -> list[Row]:
    """The table of a load profile, in the time of the device."""
    longest = max((len(panel.slots) for panel in profile.panels), default=0)
    if profile.period == Period.INTERVAL and longest > MOST_ROWS:
        return _sum_up_days(profile)
    cells: dict[int, dict[int, Cell]] = {}
    now = clock.now().timestamp()
    for place, panel in enumerate(profile.panels):
        for slot in panel.slots:
            if slot.reading is not None or slot.end <= now:
                cells.setdefault(slot.end, {})[place] = _make_cell(slot)
        for other in panel.others:
            cell = Cell(other.value, None, reading=other)
            cells.setdefault(int(other.interval_end.timestamp()), {})[place] = cell
    nothing = Cell(None, None)
    return [
        Row(
            datetime.fromtimestamp(end, profile.zone),
            None,
            [cells[end].get(place, nothing) for place in range(len(profile.panels))],
        )
        for end in sorted(cells)
    ]


def _make_cell(slot: Slot) -> Cell:
    value = slot.reading.value if slot.reading else None
    return Cell(value, slot.used, int(slot.reading is None), slot.flags, slot.reading)


def _sum_up_days(profile: LoadProfile) -> list[Row]:
    cells: dict[date, list[Cell]] = {}
    for place, panel in enumerate(profile.panels):
        for day, cell in _sum_up_panel(panel, profile):
            row = cells.setdefault(day, [Cell(None, None)] * len(profile.panels))
            row[place] = cell
    return [Row(datetime(day.year, day.month, day.day, tzinfo=UTC), day, cells[day]) for day in sorted(cells)]


def _sum_up_panel(panel: Panel, profile: LoadProfile) -> list[tuple[date, Cell]]:
    now = clock.now().timestamp()
    days = []
    for day, group in groupby(
        panel.slots, key=lambda slot: find_day(datetime.fromtimestamp(slot.end, UTC), profile.zone)
    ):
        slots = [slot for slot in group if slot.end <= now or slot.reading is not None]
        if not slots:
            continue
        used = [slot.used for slot in slots if slot.used is not None]
        last = slots[-1].reading
        flags = sorted({flag for slot in slots for flag in slot.flags})
        missing = sum(slot.reading is None for slot in slots)
        total = sum(used, Decimal(0)) if used else None
        days.append((day, Cell(last.value if last else None, total, missing, flags)))
    return days
