"""Asking a meter for rows of a buffer in the way that it takes: plan A, plan B, and what has worked before.

Seen in the field: meters that refuse ranges whose bounds have a deviation, or are not on full hours; that do
not let clients name columns; that know only entries by number, or only the whole buffer; and that answer a
range without rows with an access result. What has worked is kept with the device.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from enum import StrEnum
from itertools import islice
from typing import NamedTuple

from osgp.catalogue import CaptureColumn
from osgp.catalogue.communication import RangeBounds
from osgp.cosem.errors import make_illegal_response
from osgp.cosem.profile_rows import Row, Selection, select
from osgp.cosem.range_bounds import Bounds, make_bounds, widen_to_hours
from osgp.cosem.row_times import Within
from osgp.messages.visited_meter import VisitedMeter
from osgp.protocol_dlms import AccessResult, Data, EntryDescriptor, RangeDescriptor, errors

MOST_ENTRIES = 100_000
"""Entries of a buffer; the longest buffer of any profile has 2,190."""

_FINAL = frozenset(
    {
        AccessResult.HARDWARE_FAULT,
        AccessResult.TEMPORARY_FAILURE,
        AccessResult.OBJECT_UNDEFINED,
        AccessResult.OBJECT_CLASS_INCONSISTENT,
    }
)
"""Refusals that another way to ask does not change."""
_EMPTY = frozenset(
    {AccessResult.OTHER_REASON, AccessResult.DATA_BLOCK_UNAVAILABLE, AccessResult.OBJECT_UNAVAILABLE}
)
"""Refusals with which meters say that a range has no rows."""
_NAMED, _ALL = "NAMED", "ALL"


class Way(StrEnum):
    """How the rows of a buffer are asked for."""

    RANGE = "RANGE"
    ENTRIES = "ENTRIES"
    WHOLE = "WHOLE"


class Answer(NamedTuple):
    """The rows of an answer, where the wanted columns are in them, and the times that were asked for."""

    rows: Sequence[Row]
    selection: Selection
    within: Within | None


def is_refusal(meter: VisitedMeter, error: errors.DlmsError) -> bool:
    """Whether the meter may give the same rows when it is asked in another way."""
    if not meter.association.is_open:
        return False
    if isinstance(error, errors.AccessError):
        return error.result not in _FINAL
    return isinstance(error, errors.RequestTooLong | errors.ExceptionResponse)


class BufferAccess:
    """The ways to ask one meter for rows of one buffer."""

    def __init__(
        self, meter: VisitedMeter, tag: str, columns: Sequence[CaptureColumn], named: Sequence[CaptureColumn]
    ) -> None:
        """``columns`` are those of the buffer, ``named`` those to ask for where the meter can select."""
        wanted = frozenset(named)
        self._meter = meter
        self._tag = tag
        self._buffer = meter.find_attribute(tag, "buffer")
        self._all = select(columns, wanted.__contains__, by_column=False)
        self._some = select(columns, wanted.__contains__, by_column=True)
        self._by_column = (
            meter.selective_access and bool(self._some.named) and self._find_habit("columns") != _ALL
        )
        known = self._find_habit("bounds")
        self._bounds = meter.settings.range_bounds or _parse_bounds(known) or RangeBounds.DEVIATION
        self._taken = self._bounds, self._by_column
        """The way in which the meter took a range the last time."""
        self._has_answered = False
        self._worked = set[tuple[RangeBounds, bool, bool]]()
        """Bounds, whether columns were named, whether the bounds were on full hours."""
        if known == self._bounds:
            self._note_worked(self._bounds, by_column=False, on_hours=False)
            if self._find_habit("columns") == _NAMED:
                self._note_worked(self._bounds, by_column=True, on_hours=False)

    def find_way(self) -> tuple[Way, bool]:
        """The way that has worked before, and whether that is sure."""
        way, doubt, _ = (self._find_habit("access") or Way.RANGE).partition("?")
        return (Way(way) if way in list(Way) else Way.RANGE), not doubt

    def keep_way(self, way: Way, *, is_sure: bool) -> None:
        """Keep what has worked. It is not sure if the refusal of a range may mean that there are no rows."""
        text = None if way is Way.RANGE else f"{way}{'' if is_sure else '?'}"
        self._meter.knowledge.learn_habit(f"{self._tag} access", text)

    def find_entry(self, moment: datetime) -> int | None:
        """Which entry was the last one up to ``moment``, where the attempt before ended; None: unknown."""
        number, _, until = (self._find_habit("entry") or "").partition(" ")
        return int(number) if number.isdecimal() and until == moment.isoformat() else None

    def keep_entry(self, number: int, moment: datetime) -> None:
        """Keep up to which entry rows came, the last one at ``moment``, before the meter was lost."""
        self._learn_habit("entry", f"{number} {moment.isoformat()}")

    def forget_entry(self) -> None:
        """Forget where an attempt before ended: this one has read all."""
        self._meter.knowledge.learn_habit(f"{self._tag} entry", None)

    def find_whole_way(self) -> Way:
        """The way that gives all of a short buffer."""
        way = self._find_habit("whole")
        return Way(way) if way in list(Way) else Way.WHOLE

    def keep_whole_way(self, way: Way) -> None:
        """Keep the way that has given all of a short buffer."""
        self._meter.knowledge.learn_habit(f"{self._tag} whole", None if way is Way.WHOLE else way)

    def ask_range(self, begin: datetime, end: datetime, *, briefly: bool = False) -> Answer:
        """Ask for the rows from ``begin`` to ``end``, both included, in any way in which the meter takes it.

        ``briefly``: in one way only. Raises the first refusal, and the errors that end the association.
        """
        return self._ask_range(islice(self._list_ways(), 1 if briefly else None), begin, end)

    def ask_beyond(self, begin: datetime, end: datetime) -> Answer:
        """Ask for a few rows at a border of a range, in the way that has just worked; a refusal is raised.

        The bounds are on full hours for as long as the meter has taken no others.
        """
        if (*self._taken, False) not in self._worked:
            begin, end = widen_to_hours(self._meter.clock, begin, end)
        return self._ask_range([self._taken], begin, end)

    def _ask_range(self, ways: Iterable[tuple[RangeBounds, bool]], begin: datetime, end: datetime) -> Answer:
        first: errors.DlmsError | None = None
        tried = set[tuple[Data, Data, bool]]()
        for kind, by_column in ways:
            bounds = make_bounds(self._meter.clock, kind, begin, end)
            selection = self._some if by_column else self._all
            same = bounds.begin, bounds.end, by_column
            if same in tried:
                continue
            tried.add(same)
            try:
                rows = self._read(selection.make_range(bounds.begin, bounds.end))
            except errors.DlmsError as error:
                if not is_refusal(self._meter, error):
                    raise
                if self._says_empty(error, kind, bounds, by_column=by_column):
                    return Answer((), selection, bounds.within)
                first = first or error
                continue
            declines = first is not None
            if by_column and rows and set(map(len, rows)) == {self._all.width}:
                # Whatever is named, it sends all.
                selection, by_column, declines = self._all, False, True
            self._keep_range(kind, bounds, by_column=by_column, declines_columns=declines)
            self._has_answered = True
            return Answer(rows, selection, bounds.within)
        assert first is not None
        if self._has_answered and isinstance(first, errors.AccessError) and first.result in _EMPTY:
            # One slice is refused in any way, after others were not.
            return Answer((), self._all, (begin, end))
        raise first

    def count_entries(self) -> int:
        """How many entries the buffer has. Raises Fault if the meter does not tell."""
        data = self._meter.association.get(self._meter.find_attribute(self._tag, "entries_in_use"))
        count = data.value
        if isinstance(count, bool) or not isinstance(count, int) or not 0 <= count <= MOST_ENTRIES:
            raise make_illegal_response(f"The number of entries of {self._tag} makes no sense.")
        return count

    def ask_entries(self, first: int, last: int) -> Answer:
        """Ask for entries by number, which counts from 1."""
        return Answer(self._read(EntryDescriptor(first, last)), self._all, None)

    def ask_whole(self) -> Answer:
        """Ask for the whole buffer."""
        return Answer(self._read(None), self._all, None)

    def _read(self, request: RangeDescriptor | EntryDescriptor | None) -> Sequence[Row]:
        association = self._meter.association
        return (
            association.read_profile(self._buffer)
            if request is None
            else association.read_profile(self._buffer, request)
        )

    def _list_ways(self) -> Iterator[tuple[RangeBounds, bool]]:
        """What to try: what works, or should, first; then all columns, which any meter can send."""
        if self._by_column:
            yield self._bounds, True
        yield self._bounds, False
        for kind in RangeBounds:
            if kind is not self._bounds:
                yield kind, False

    def _says_empty(
        self, error: errors.DlmsError, kind: RangeBounds, bounds: Bounds, *, by_column: bool
    ) -> bool:
        """Whether a refusal says that there are no rows: the meter has taken requests that were alike."""
        return (
            isinstance(error, errors.AccessError)
            and error.result in _EMPTY
            and (kind, by_column, bounds.is_on_hours) in self._worked
        )

    def _note_worked(self, kind: RangeBounds, *, by_column: bool, on_hours: bool) -> None:
        self._worked.add((kind, by_column, True))
        if not on_hours:
            self._worked.add((kind, by_column, False))

    def _keep_range(
        self, kind: RangeBounds, bounds: Bounds, *, by_column: bool, declines_columns: bool
    ) -> None:
        # Bounds that happen to be on full hours say nothing of others.
        needs_hours = kind in (RangeBounds.FULL_HOURS, RangeBounds.NO_DEVIATION_FULL_HOURS)
        proves = needs_hours or not bounds.is_on_hours
        self._note_worked(kind, by_column=by_column, on_hours=not proves)
        if proves:
            self._learn_habit("bounds", kind)
        if by_column:
            self._learn_habit("columns", _NAMED)
        elif self._by_column and declines_columns and kind is self._bounds:
            self._learn_habit("columns", _ALL)
            self._by_column = False
        self._bounds = kind
        self._taken = kind, by_column

    def _find_habit(self, name: str) -> str | None:
        return self._meter.knowledge.find_habit(f"{self._tag} {name}")

    def _learn_habit(self, name: str, value: str) -> None:
        self._meter.knowledge.learn_habit(f"{self._tag} {name}", value)


def _parse_bounds(text: str | None) -> RangeBounds | None:
    with suppress(ValueError):
        return RangeBounds(text) if text else None
    return None
