"""One answer with rows of a buffer: its columns, with what the cells stand for, and the times of its rows."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from osgp.cosem.clock import MeterClock
from osgp.cosem.profile_rows import CapturePeriod, RejectedRow, Row
from osgp.cosem.repeated_cells import GAP, fill
from osgp.cosem.row_times import Within, find_times


@dataclass(frozen=True, slots=True)
class AnsweredRows:
    """The rows of an answer that have a time, in the order of the answer, by column."""

    places: Sequence[int]
    """Place of each row in the answer, counted from 0."""
    moments: Sequence[datetime]
    """In UTC."""
    columns: Sequence[Sequence[object]]
    """In the order of the positions asked for. Of columns of times the times, None where there is none."""
    reasons: Mapping[int, Mapping[int, str]] = field(default_factory=dict)
    """By the number of a column of times, and the number of a row: why there is no time."""
    rejected: Sequence[RejectedRow] = ()


def read_answer(
    rows: Sequence[Row],
    width: int,
    positions: Sequence[int],
    clock_position: int,
    clock: MeterClock,
    period: CapturePeriod | None,
    within: Within | None = None,
    times: Collection[int] = (),
) -> AnsweredRows:
    """Read an answer whose rows have ``width`` columns.

    Wanted are the columns at ``positions``; ``times`` are the numbers of those among them that hold times,
    which are left out as clocks are. ``within`` are the times that were asked for. Rows of another width or
    without a time are rejected, and nothing is counted from them.
    """
    rejected: list[RejectedRow] = []
    if not rows:
        return AnsweredRows((), (), [()] * len(positions))
    cells: Sequence[Row] = rows
    if set(map(len, rows)) != {width}:
        gap = (GAP,) * width
        cells = [row if len(row) == width else gap for row in rows]
        rejected = [
            RejectedRow(place, f"The row has {len(row)} columns instead of {width}.")
            for place, row in enumerate(rows)
            if len(row) != width
        ]
    columns = list(zip(*cells, strict=True))
    told = find_times(columns[clock_position], clock, period, within, cells)
    rejected += [RejectedRow(place, f"The clock {reason}.") for place, reason in told.reasons.items()]
    read: list[Sequence[object]] = []
    reasons: dict[int, Mapping[int, str]] = {}
    for number, position in enumerate(positions):
        if number in times:
            found = find_times(columns[position], clock, period)
            read.append(found.moments)
            # A time that is left out with nothing to count from is none that makes no sense.
            told_wrong = {
                place: f"it {reason}"
                for place, reason in found.reasons.items()
                if columns[position][place] is not None
            }
            if told_wrong:
                reasons[number] = told_wrong
        else:
            read.append(fill(columns[position]))
    if not rejected:
        moments: Sequence[datetime] = told.moments  # type: ignore[assignment]
        return AnsweredRows(range(len(rows)), moments, read, reasons)
    places = [place for place, moment in enumerate(told.moments) if moment is not None]
    numbers = {place: number for number, place in enumerate(places)}
    return AnsweredRows(
        places,
        [moment for moment in told.moments if moment is not None],
        [[column[place] for place in places] for column in read],
        {
            number: {numbers[place]: reason for place, reason in each.items() if place in numbers}
            for number, each in reasons.items()
        },
        rejected,
    )
