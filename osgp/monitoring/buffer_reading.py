"""Reading the rows of a buffer in slices of time."""

from collections.abc import Callable, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any

from osgp.catalogue import CaptureColumn
from osgp.cosem.errors import UnusableRow
from osgp.cosem.profile_rows import RejectedRow, RowTimes, Selection, TimedRow, select, timed_rows
from osgp.monitoring.periods import Buffer, slices
from osgp.monitoring.rejected_rows import check_row_count
from osgp.requests.meter import VisitedMeter

RowReader = Callable[[TimedRow], Sequence[Any]]
"""From a row to what is wanted of it; raises UnusableRow."""


def read_buffer(
    meter: VisitedMeter,
    buffer: Buffer,
    wanted: Callable[[CaptureColumn], bool],
    begin: datetime,
    end: datetime,
    reader_of: Callable[[Selection, Sequence[CaptureColumn]], RowReader],
) -> tuple[list[tuple[Any, ...]], list[RejectedRow]]:
    """Times and what was read of each row, sorted by time, and the rows that make no sense.

    ``reader_of`` makes what reads the rows of one answer, given where the wanted columns are in them. Of rows
    with the same time the first is kept. Rows outside the part of time, which some meters send all the same,
    are read, for others may count their times from them, and left out.
    """
    descriptor = meter.attribute(buffer.tag)
    columns = [column for column in buffer.columns if wanted(column)]
    clock = next(position for position, column in enumerate(columns) if column.tag == "CLOCK")
    rows: dict[datetime, tuple[Any, ...]] = {}
    rejected: list[RejectedRow] = []
    before = 0
    for part in slices(begin, end, buffer.period, meter.time_zone):
        selection = select(
            buffer.columns, wanted, part.begin, part.until, meter.time_zone, by_column=meter.selective_access
        )
        answer = meter.association.profile(descriptor, selection.access)
        check_row_count(answer, buffer.tag)
        times = RowTimes(meter.time_zone, buffer.period)
        good, bad = timed_rows(answer, selection.width, times, selection.positions[clock])
        rejected += [RejectedRow(before + row.index, row.reason) for row in bad]
        read = reader_of(selection, columns)
        for row in good:
            try:
                values = read(row)
                if not part.has(row.time):
                    continue
                if row.time in rows:
                    raise UnusableRow("There is another row with the same time before it.")
                rows[row.time] = (row.time, *values)
            except UnusableRow as error:
                rejected.append(RejectedRow(before + row.index, str(error)))
        before += len(answer)
    return sorted(rows.values(), key=itemgetter(0)), rejected
