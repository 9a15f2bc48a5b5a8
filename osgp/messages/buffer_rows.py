"""The rows of a buffer, collected from any number of answers: each once, in whatever order they come."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any, NamedTuple

from osgp.catalogue import CaptureColumn
from osgp.cosem.buffer_answers import AnsweredRows, read_answer
from osgp.cosem.profile_rows import CapturePeriod, RejectedRow, Row
from osgp.faults import Fault
from osgp.messages.buffer_access import Answer
from osgp.messages.rejected_rows import check_row_count
from osgp.messages.unavailable import Unavailable
from osgp.messages.visited_meter import VisitedMeter

OTHER_ROW = "There is another row with the same time and other values before it."
MOST_CELLS = 250_000
"""Of one read, about: it ends with the answer that brings more. The longest buffers have 86,000."""
MOST_PROBLEMS = 10_000
"""Cells that make no sense of which is kept where they are."""


class ReadCells(NamedTuple):
    """Values of cells, and why there is none where a cell makes no sense, by its number."""

    values: Sequence[Any]
    reasons: Mapping[int, str]


CellsReader = Callable[[Sequence[object]], ReadCells]
"""Reads the cells of a column; None stands for null-data."""


@dataclass(frozen=True, slots=True)
class WantedColumn:
    """A column to read."""

    name: str
    """Tag of the object, or what else tells where a value makes no sense."""
    column: CaptureColumn | None
    """Where it is in the buffer; None: the meter does not capture it, its values are all None."""
    read: CellsReader
    holds_times: bool = False
    """Whether its cells are date-times, left out where one period later; ``read`` then gets times in UTC."""


@dataclass(slots=True)
class BufferRows:
    """The rows of a buffer as columns."""

    times: Sequence[datetime]
    columns: list[Sequence[Any]]
    """In the order of the wanted columns."""
    complete_until: datetime
    """Up to here all rows were read; later ones not for lack of time, or because of ``fault``."""
    indexes: Sequence[int] = ()
    """Of each row: its place in the meter's answers, counted through all of them."""
    rejected: list[RejectedRow] = field(default_factory=list)
    problems: dict[str, dict[int, str]] = field(default_factory=dict)
    """By the name of a column: why a value makes no sense, by the index of its row."""
    fault: Fault | None = None
    """Why the meter sent no more when these rows had come."""
    has_odd_rows: bool = False
    """Whether the meter may have been set up in another way since it described the buffer."""

    def list_problems(self, missing: Mapping[str, str] | None = None) -> list[Unavailable]:
        """List what could not be read, one entry for each column; ``missing`` are reasons by name."""
        listed: list[Unavailable] = [
            {"name": name, "reason": reason} for name, reason in (missing or {}).items()
        ]
        for name, reasons in self.problems.items():
            if reasons:
                count = len(reasons)
                values = "1 value makes" if count == 1 else f"{count} values make"
                first = reasons[min(reasons)]
                listed.append({"name": name, "reason": f"{values} no sense: {first}."})
        return listed


class Seen(NamedTuple):
    """The times of the rows in one answer."""

    earliest: datetime
    latest: datetime
    rises: bool
    """Whether they are in the order of time."""
    is_mixed: bool
    """Whether they are neither in the order of time nor in its reverse."""
    past_end: int
    """How many are later than what is wanted."""

    @classmethod
    def of(cls, moments: Sequence[datetime], end: datetime) -> "Seen | None":
        """None if there is no row."""
        if not moments:
            return None
        rises = all(earlier <= later for earlier, later in pairwise(moments))
        falls = all(earlier >= later for earlier, later in pairwise(moments))
        past_end = sum(moment > end for moment in moments)
        return cls(min(moments), max(moments), rises and not falls, not (rises or falls), past_end)


class Collection:
    """Takes the rows from ``begin`` to ``end``, both included, of answers to one read of a buffer.

    A time has one row if ``one_per_time``; else, as in a log, rows that have other values are
    other rows. Repeated rows are ignored.
    """

    def __init__(
        self,
        meter: VisitedMeter,
        tag: str,
        period: CapturePeriod | None,
        wanted: Sequence[WantedColumn],
        clock: CaptureColumn,
        begin: datetime,
        end: datetime,
        *,
        one_per_time: bool,
        describe_row: Callable[[Row], str] = lambda row: "",
    ) -> None:
        self._meter = meter
        self._tag = tag
        self._period = period
        self._wanted = wanted
        self._clock = clock
        self._begin = begin
        self._end = end
        self._one_per_time = one_per_time
        self._describe_row = describe_row
        self._rows: dict[Any, tuple[Any, ...]] = {}
        """Time, index and values of each row."""
        self._rejected: list[RejectedRow] = []
        self._problems: dict[str, dict[int, str]] = {}
        self._answered = 0
        self.has_odd_rows = False
        """Whether there were rows of another width than the buffer should have, or no row had a time."""

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def is_full(self) -> bool:
        """Whether it has as much as one read may bring, rejected rows included."""
        return len(self._rows) * (1 + len(self._wanted)) + len(self._rejected) > MOST_CELLS

    def list_times(self) -> list[datetime]:
        """The times of its rows, ascending, each once."""
        return sorted({row[0] for row in self._rows.values()})

    def take(self, answer: Answer, columns: Sequence[CaptureColumn]) -> AnsweredRows:
        """Keep the rows of an answer; ``columns`` are those asked for, in the order of its positions.

        Return all that it has, also of other times.
        """
        check_row_count(answer.rows, self._tag)
        selection = answer.selection
        place_of = dict(zip(columns, selection.positions, strict=True))
        present = [
            (number, place_of[each.column])
            for number, each in enumerate(self._wanted)
            if each.column is not None
        ]
        answered = read_answer(
            answer.rows,
            selection.width,
            [position for _, position in present],
            place_of[self._clock],
            self._meter.clock,
            self._period,
            answer.within,
            [place for place, (number, _) in enumerate(present) if self._wanted[number].holds_times],
        )
        for row in answered.rejected:
            self._reject(row.index, row.reason, answer.rows)
            self.has_odd_rows |= len(answer.rows[row.index]) != selection.width
        self.has_odd_rows |= bool(answer.rows) and not answered.moments
        if answered.moments:
            self._keep(answered, [number for number, _ in present], answer.rows)
        self._answered += len(answer.rows)
        return answered

    def finish(self, complete_until: datetime, fault: Fault | None = None) -> BufferRows:
        """The rows: by time if each has its own, else as they came."""
        rows = list(self._rows.values())
        if self._one_per_time:
            rows = [self._rows[moment] for moment in sorted(self._rows)]
        empty: list[Sequence[Any]] = [()] * (2 + len(self._wanted))
        times, indexes, *columns = list(zip(*rows, strict=True)) if rows else empty
        return BufferRows(
            times,
            list(columns),
            complete_until,
            indexes,
            self._rejected,
            self._problems,
            fault,
            self.has_odd_rows,
        )

    def _keep(self, answered: AnsweredRows, present: Sequence[int], rows: Sequence[Row]) -> None:
        moments, places = answered.moments, answered.places
        columns, reasons = answered.columns, answered.reasons
        if min(moments) < self._begin or max(moments) > self._end:
            kept = [number for number, moment in enumerate(moments) if self._begin <= moment <= self._end]
            moments = [moments[number] for number in kept]
            places = [places[number] for number in kept]
            columns = [[column[number] for number in kept] for column in columns]
            new = {number: place for place, number in enumerate(kept)}
            reasons = {
                column: {new[number]: reason for number, reason in each.items() if number in new}
                for column, each in reasons.items()
            }
        count = len(moments)
        values: list[Sequence[Any]] = [(None,) * count] * len(self._wanted)
        bad: list[tuple[str, Mapping[int, str]]] = []
        for number, (place, cells) in enumerate(zip(present, columns, strict=True)):
            wanted = self._wanted[place]
            read = wanted.read(cells)
            values[place] = read.values
            told = reasons.get(number)
            if read.reasons or told:
                bad.append((wanted.name, {**read.reasons, **(told or {})}))
        first = self._answered
        indexes = [first + place for place in places] if first else places
        taken = list(zip(moments, indexes, *values, strict=True))
        if self._one_per_time and not bad:
            added = dict(zip(moments, taken, strict=True))
            if len(added) == count and self._rows.keys().isdisjoint(added):
                self._rows.update(added)
                return
        self._keep_each(taken, bad, rows)

    def _keep_each(
        self,
        taken: Sequence[tuple[Any, ...]],
        bad: Sequence[tuple[str, Mapping[int, str]]],
        rows: Sequence[Row],
    ) -> None:
        for number, row in enumerate(taken):
            moment, index, *values = row
            key = moment if self._one_per_time else (moment, *values)
            known = self._rows.get(key)
            if known is None:
                self._rows[key] = row
                for name, reasons in bad:
                    if number in reasons and len(self._problems.setdefault(name, {})) < MOST_PROBLEMS:
                        self._problems[name][index] = reasons[number]
            elif known[2:] != row[2:]:
                self._reject(index - self._answered, OTHER_ROW, rows)

    def _reject(self, place: int, reason: str, rows: Sequence[Row]) -> None:
        """Indexes are counted through all answers."""
        described = self._describe_row(rows[place])
        self._rejected.append(RejectedRow(self._answered + place, reason + described))
