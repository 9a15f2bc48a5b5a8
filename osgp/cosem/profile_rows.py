"""Buffers of profiles (class 7): what to ask for, and what time each row of the answer belongs to.

Rows come as ``Meter.read_profile`` returns them: tuples of plain values. An invalid row does not cost the
others: it is returned as rejected, with the reason.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Any, NamedTuple

from osgp.catalogue import CaptureColumn
from osgp.cosem.clock import decode_utc, encode_for_meter
from osgp.cosem.errors import UnusableRow
from osgp.protocol_dlms import CaptureObjectDefinition, RangeDescriptor
from osgp.protocol_dlms.selective_access import CLOCK

DAY_SECONDS = 86_400
CLOCK_TAG = "CLOCK"

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A row that makes no sense: its place in the meter's answer, counted from 0, and why."""

    index: int
    reason: str


@dataclass(slots=True)
class TimedRow:
    """A row that has a time: its place in the meter's answer, the time in UTC, its cells."""

    index: int
    time: datetime
    cells: Row


@dataclass(frozen=True, slots=True)
class CapturePeriod:
    """How far apart a buffer's rows are: so many seconds, days of the meter's calendar, or months."""

    seconds: int = 0
    days: int = 0
    months: int = 0

    @classmethod
    def from_seconds(cls, capture_period: int) -> "CapturePeriod":
        """From attribute 4: 0 means monthly in billing profiles, whole days go by the calendar.

        A day is the time from one midnight to the next, which is 23 or 25 hours twice a year.
        """
        if capture_period < 0:
            raise ValueError(f"a capture period of {capture_period} seconds")
        if capture_period == 0:
            return cls(months=1)
        if capture_period % DAY_SECONDS == 0:
            return cls(days=capture_period // DAY_SECONDS)
        return cls(seconds=capture_period)

    def advance(self, moment: datetime, count: int, zone: tzinfo) -> datetime:
        """The time ``count`` periods after (or, if negative, before) ``moment``, in UTC.

        Days and months keep the time of day in ``zone``, months also the day as far as the month has it.
        Raises OverflowError beyond the years that a datetime can tell.
        """
        if self.seconds:
            return moment + timedelta(seconds=self.seconds * count)
        local = moment.astimezone(zone).replace(tzinfo=None)
        if self.days:
            local += timedelta(days=self.days * count)
        else:
            local = _add_months(local, self.months * count)
        return local.replace(tzinfo=zone).astimezone(moment.tzinfo)


def _add_months(local: datetime, months: int) -> datetime:
    year, month = divmod(local.year * 12 + local.month - 1 + months, 12)
    if not 1 <= year < 9999:
        raise OverflowError("the month is out of range")
    first = local.replace(year=year, month=month + 1, day=1)
    following = (first + timedelta(days=31)).replace(day=1)
    return first + timedelta(days=min(local.day, (following - first).days) - 1)


class RowTimes:
    """The times of a buffer's rows, in the order of the buffer.

    A meter may leave the clock out of a row (null-data) that was captured one period after the row before it.
    Without a ``period`` such rows have no time. Times are counted from the last clock that was told, so that
    a day that begins late, or a month that is short, does not move those after it.
    """

    def __init__(self, zone: tzinfo, period: CapturePeriod | None = None) -> None:
        self._zone = zone
        self._period = period
        self._told: datetime | None = None
        self._since = 0

    def find_next(self, clock: object) -> datetime:
        """The time of the next row, in UTC, from what its clock column holds. Raises UnusableRow."""
        if clock is None:
            return self._count_on()
        told = decode_utc(clock, self._zone) if isinstance(clock, bytes) else None
        self._told, self._since = told, 0
        if told is None:
            raise UnusableRow("The clock does not tell a complete time.")
        return told

    def lose_track(self) -> None:
        """A row had no clock column at all: who knows how long after it the next one was captured."""
        self._told = None

    def _count_on(self) -> datetime:
        self._since += 1
        if self._period is None:
            raise UnusableRow("The clock is left out.")
        if self._told is None:
            raise UnusableRow("The clock is left out, and no row before it tells a time to count from.")
        try:
            return self._period.advance(self._told, self._since, self._zone)
        except (OverflowError, ValueError):
            raise UnusableRow("The clock is left out, and counting leads out of the calendar.") from None


def assign_times(
    rows: Iterable[Row], width: int, times: RowTimes, clock: int = 0
) -> tuple[list[TimedRow], list[RejectedRow]]:
    """The rows of ``width`` columns with their times, and those that have another width or no time.

    ``clock`` is the position of the clock column. Rows stay in the order of the buffer.
    """
    good: list[TimedRow] = []
    rejected: list[RejectedRow] = []
    next_time = times.find_next
    for index, cells in enumerate(rows):
        if len(cells) != width:
            times.lose_track()
            rejected.append(RejectedRow(index, f"The row has {len(cells)} columns instead of {width}."))
            continue
        try:
            good.append(TimedRow(index, next_time(cells[clock]), cells))
        except UnusableRow as error:
            rejected.append(RejectedRow(index, str(error)))
    return good, rejected


def parse_number(cell: object, name: str) -> int | None:
    """A cell with a number of any width; None for null-data. Raises UnusableRow for anything else."""
    if cell is None or type(cell) is int:
        return cell
    raise UnusableRow(f"{name} is not a number.")


class Selection(NamedTuple):
    """What to ask a buffer for, and where the wanted columns are in the rows of the answer."""

    access: RangeDescriptor
    positions: tuple[int, ...]
    """Of each wanted column, in the order in which the buffer has them."""
    width: int
    """How many columns the rows of the answer have."""


def select(
    columns: Sequence[CaptureColumn],
    wanted: Callable[[CaptureColumn], bool],
    begin: datetime,
    end: datetime,
    zone: tzinfo,
    *,
    by_column: bool,
) -> Selection:
    """The rows from ``begin`` to ``end``, both included, and of them the ``wanted`` columns.

    Columns are named to the meter only if it can select them (``by_column``) and there are others; else it is
    asked for all of them, and ``positions`` says which to look at. Times are those of the clock that the
    buffer captures.
    """
    positions = tuple(position for position, column in enumerate(columns) if wanted(column))
    named: tuple[CaptureObjectDefinition, ...] = ()
    width = len(columns)
    if by_column and len(positions) < width:
        named = tuple(
            CaptureObjectDefinition(columns[position].descriptor, columns[position].data_index)
            for position in positions
        )
        width = len(positions)
        positions = tuple(range(width))
    clocks = (column for column in columns if column.tag == CLOCK_TAG)
    clock = next((CaptureObjectDefinition(column.descriptor, column.data_index) for column in clocks), CLOCK)
    access = RangeDescriptor(encode_for_meter(begin, zone), encode_for_meter(end, zone), named, clock)
    return Selection(access, positions, width)
