"""Buffers of profiles (class 7): how far apart their rows are, which columns to ask for, and times of rows.

Rows come as ``Meter.read_profile`` returns them: tuples of plain values. An invalid row does not cost the
others: it is rejected, with the reason.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Any, NamedTuple

from osgp.catalogue import CaptureColumn
from osgp.cosem.clock import decode_utc
from osgp.cosem.errors import UnusableRow
from osgp.protocol_dlms import CaptureObjectDefinition, Data, RangeDescriptor
from osgp.protocol_dlms.selective_access import CLOCK

DAY_SECONDS = 86_400
CLOCK_TAG = "CLOCK"

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """An invalid row: its index in the meter's answer, counted from 0, and why."""

    index: int
    reason: str


@dataclass(frozen=True, slots=True)
class CapturePeriod:
    """The distance of a buffer's rows: seconds, calendar days of the meter, or months."""

    seconds: int = 0
    days: int = 0
    months: int = 0

    @classmethod
    def from_seconds(cls, capture_period: int) -> "CapturePeriod":
        """Return the period for ``capture_period`` (attribute 4): 0 is monthly, days follow the calendar.

        A day is the time from one midnight to the next, which is 23 or 25 hours twice a year. Raises
        ValueError for a negative number.
        """
        if capture_period < 0:
            raise ValueError(f"a capture period of {capture_period} seconds")
        if capture_period == 0:
            return cls(months=1)
        if capture_period % DAY_SECONDS == 0:
            return cls(days=capture_period // DAY_SECONDS)
        return cls(seconds=capture_period)

    def advance(self, moment: datetime, count: int, zone: tzinfo) -> datetime:
        """Return the UTC time ``count`` periods after (or, if negative, before) ``moment``.

        Days and months keep the time of day in ``zone``, months also the day, if the month has it.
        Raises OverflowError beyond the years of a datetime.
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
    """The times of rows that a meter pushes one after another, see :mod:`osgp.cosem.row_times` for answers.

    A meter may replace the clock by null-data in a row that it captured one period after the row before.
    Without a ``period`` such rows have no time. Times count from the last clock received, so that a late
    first row of a day, or a short month, does not shift the rows after it.
    """

    def __init__(self, zone: tzinfo, period: CapturePeriod | None = None) -> None:
        self._zone = zone
        self._period = period
        self._told: datetime | None = None
        self._since = 0

    def find_next(self, clock: object) -> datetime:
        """Return the UTC time of the next row from its clock cell. Raises UnusableRow if there is none."""
        if clock is None:
            return self._count_on()
        told = decode_utc(clock, self._zone) if isinstance(clock, bytes) else None
        self._told, self._since = told, 0
        if told is None:
            raise UnusableRow("The clock does not tell a complete time.")
        return told

    def lose_track(self) -> None:
        """Forget the last clock, after a row without a clock column: the time to the next row is unknown."""
        self._told = None

    def _count_on(self) -> datetime:
        self._since += 1
        if self._period is None:
            raise UnusableRow("The clock is left out.")
        if self._told is None:
            raise UnusableRow("The clock is left out, and no row before it has a time to count from.")
        try:
            return self._period.advance(self._told, self._since, self._zone)
        except (OverflowError, ValueError):
            raise UnusableRow("The clock is left out, and counting leads out of the calendar.") from None


class Selection(NamedTuple):
    """Which columns of a buffer to ask for, and where the wanted ones are in the rows of the answer."""

    named: tuple[CaptureObjectDefinition, ...]
    """What a request names; nothing: the meter sends all columns."""
    positions: tuple[int, ...]
    """Of each wanted column, in the order of the buffer."""
    width: int
    """The number of columns in the rows of the answer."""
    clock: CaptureObjectDefinition
    """The restricting object of a range: the clock that the buffer captures."""

    def make_range(self, begin: Data, end: Data) -> RangeDescriptor:
        """Return the selective access to the rows from ``begin`` to ``end``, which are date-times."""
        return RangeDescriptor(begin, end, self.named, self.clock)


def select(
    columns: Sequence[CaptureColumn], wanted: Callable[[CaptureColumn], bool], *, by_column: bool
) -> Selection:
    """Return the selection of the ``wanted`` columns.

    It names columns only if the meter can select them (``by_column``) and not all are wanted; else the meter
    returns all, and ``positions`` gives the wanted ones.
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
    return Selection(named, positions, width, clock)
