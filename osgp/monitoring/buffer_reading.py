"""Reading the rows of a buffer in slices, at the pace of the meter and within the time of the session."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from typing import Any, NamedTuple

from osgp.catalogue import CaptureColumn
from osgp.cosem.errors import UnusableRow
from osgp.cosem.profile_rows import RejectedRow, Row, RowTimes, Selection, TimedRow, assign_times, select
from osgp.messages.rejected_rows import check_row_count
from osgp.messages.visited_meter import VisitedMeter
from osgp.monitoring.periods import Buffer
from osgp.protocol_dlms.errors import AccessError

FIRST_ROWS, LEAST_ROWS, MOST_ROWS = 150, 20, 1_000
"""Rows that are asked for at a time: at first, and at least and at most once the meter's pace is known."""
SLICE_SECONDS = 30.0
"""Duration of a slice. A long buffer, or one that does not fit into one answer, comes in parts."""

RowReader = Callable[[TimedRow], Sequence[Any]]
"""Takes the wanted values from a row; raises UnusableRow."""


@dataclass(frozen=True, slots=True)
class BufferRows:
    """The rows of a buffer."""

    rows: list[tuple[Any, ...]]
    """Time and values of each row, sorted by time."""
    rejected: list[RejectedRow]
    complete_until: datetime
    """Later rows were not read for lack of time."""


class _Slice(NamedTuple):
    """A part of time, from ``begin`` until ``until``; ``until`` belongs to it if it is the last."""

    begin: datetime
    until: datetime
    is_last: bool

    def has(self, moment: datetime) -> bool:
        """Whether a moment lies within it."""
        return self.begin <= moment < self.until or (self.is_last and moment == self.until)


def read_buffer(
    meter: VisitedMeter,
    buffer: Buffer,
    wanted: Callable[[CaptureColumn], bool],
    begin: datetime,
    end: datetime,
    reader_of: Callable[[Selection, Sequence[CaptureColumn]], RowReader],
) -> BufferRows:
    """The rows from ``begin`` to ``end``, both included.

    ``reader_of`` makes what reads the rows of one answer, given where the wanted columns are in them. Of rows
    with the same time the first is kept. Rows outside the part of time, which some meters send all the same,
    are read, for others may count their times from them, and left out.
    """
    reading = _Reading(meter, buffer, wanted, reader_of)
    size, count = FIRST_ROWS, 0
    part = _Slice(begin, begin, is_last=False)
    while not part.is_last:
        count += size
        part = _make_next_slice(part.until, begin, end, count, buffer, meter)
        seconds_left = meter.association.seconds_left
        reading.read(part)
        seconds = seconds_left - meter.association.seconds_left
        seconds_per_row = max(seconds, 0.001) / size
        size = min(max(int(SLICE_SECONDS / seconds_per_row), LEAST_ROWS), MOST_ROWS)
        if meter.association.seconds_left < 2 * size * seconds_per_row:
            break
    rows = sorted(reading.rows.values(), key=itemgetter(0))
    return BufferRows(rows, reading.rejected, part.until)


def _make_next_slice(
    start: datetime, begin: datetime, end: datetime, count: int, buffer: Buffer, meter: VisitedMeter
) -> _Slice:
    """The slice from ``start`` up to ``count`` rows after ``begin``; to the end if the period is unknown."""
    if buffer.period is not None:
        try:
            until = buffer.period.advance(begin, count, meter.time_zone)
        except OverflowError:
            until = end
        if until < end:
            return _Slice(start, until, is_last=False)
    return _Slice(start, end, is_last=True)


class _Reading:
    """A read of a buffer, slice by slice."""

    def __init__(
        self,
        meter: VisitedMeter,
        buffer: Buffer,
        wanted: Callable[[CaptureColumn], bool],
        reader_of: Callable[[Selection, Sequence[CaptureColumn]], RowReader],
    ) -> None:
        self.rows: dict[datetime, tuple[Any, ...]] = {}
        self.rejected: list[RejectedRow] = []
        self._meter = meter
        self._buffer = buffer
        self._wanted = wanted
        self._reader_of = reader_of
        self._descriptor = meter.find_attribute(buffer.tag, "buffer")
        self._columns = [column for column in buffer.columns if wanted(column)]
        self._clock = [column.tag for column in self._columns].index("CLOCK")
        self._by_column = meter.selective_access
        self._answered = 0

    def _ask(self, part: _Slice) -> tuple[Selection, list[Row]]:
        """Return the selection and the rows. If a meter declines to select columns, read all of them."""
        meter = self._meter
        selection = select(
            self._buffer.columns,
            self._wanted,
            part.begin,
            part.until,
            meter.time_zone,
            by_column=self._by_column,
        )
        try:
            return selection, meter.association.read_profile(self._descriptor, selection.access)
        except AccessError:
            if not selection.access.columns:
                raise
        self._by_column = False
        return self._ask(part)

    def read(self, part: _Slice) -> None:
        """Read one slice."""
        meter, buffer = self._meter, self._buffer
        selection, answer = self._ask(part)
        check_row_count(answer, buffer.tag)
        times = RowTimes(meter.time_zone, buffer.period)
        good, bad = assign_times(answer, selection.width, times, selection.positions[self._clock])
        for row in bad:
            self._reject(row.index, row.reason)
        read = self._reader_of(selection, self._columns)
        rows = self.rows
        for timed in good:
            try:
                values = read(timed)
                if not part.has(timed.time):
                    continue
                if timed.time in rows:
                    raise UnusableRow("There is another row with the same time before it.")
                rows[timed.time] = (timed.time, *values)
            except UnusableRow as error:
                self._reject(timed.index, str(error))
        self._answered += len(answer)

    def _reject(self, index: int, reason: str) -> None:
        """Indexes are counted through all slices."""
        self.rejected.append(RejectedRow(self._answered + index, reason))
