"""Which rows of a buffer a client gets of meters with quirks: refusals, borders of ranges, order, doubles.

A refusal is an access result, as the meter has it for anything that it cannot do.
"""

from zlib import crc32

from ..codec.axdr import Data
from ..codec.results import DataAccessResult
from ..faults import HangUp
from ..quirks import Quirk
from .query import AccessError, Query
from .quirky_times import NOT_SPECIFIED, STATUS_NOT_SPECIFIED
from .rows import Row, Wanted

EXCESS = 2
"""Rows on either side of a range that are none of it."""
_EVERY_DOUBLED = 3
"""One row of so many comes twice."""
_EVERY_DROPPED = 2
_OPEN = 0xFF

BORDERS = frozenset((Quirk.RANGE_EXCLUDES_START, Quirk.RANGE_EXCLUDES_END, Quirk.RANGE_EXCEEDED))
"""What changes which rows a range has."""
_ORDERS = frozenset((Quirk.ROWS_NEWEST_FIRST, Quirk.ROWS_SHUFFLED, Quirk.ROWS_DOUBLED))


def check_range(quirks: frozenset[Quirk], begin: bytes, end: bytes, columns: tuple[Data, ...]) -> None:
    """Raise AccessError for a range that the meter refuses: its bounds as date-times, the columns named."""
    if Quirk.RANGE_REFUSED in quirks:
        raise AccessError(DataAccessResult.SCOPE_OF_ACCESS_VIOLATED)
    if Quirk.ALL_COLUMNS_ONLY in quirks and columns:
        raise AccessError(DataAccessResult.SCOPE_OF_ACCESS_VIOLATED)
    for bound in (begin, end):
        if Quirk.BOUNDS_WITHOUT_DEVIATION in quirks and (
            bound[9:11] != NOT_SPECIFIED or bound[11:] != STATUS_NOT_SPECIFIED
        ):
            raise AccessError(DataAccessResult.OTHER_REASON)
        if Quirk.BOUNDS_ON_HOURS in quirks and any(each not in (0, _OPEN) for each in bound[6:9]):
            raise AccessError(DataAccessResult.OTHER_REASON)


def check_entries(quirks: frozenset[Quirk]) -> None:
    """Raise AccessError if the meter does not let clients choose entries."""
    if Quirk.ENTRIES_REFUSED in quirks:
        raise AccessError(DataAccessResult.SCOPE_OF_ACCESS_VIOLATED)


def check_rows(quirks: frozenset[Quirk], rows: list[Row]) -> None:
    """Raise AccessError if a range without rows is refused."""
    if not rows and Quirk.EMPTY_RANGE_REFUSED in quirks:
        raise AccessError(DataAccessResult.OTHER_REASON)


def choose(quirks: frozenset[Quirk], every: list[Row], wanted: Wanted) -> list[Row]:
    """Those of ``every`` row, oldest first, that a range has in this meter."""
    after_start = Quirk.RANGE_EXCLUDES_START in quirks
    before_end = Quirk.RANGE_EXCLUDES_END in quirks
    chosen = [
        place
        for place, row in enumerate(every)
        if wanted.oldest <= row.stamp <= wanted.newest
        and not (after_start and row.stamp == wanted.oldest)
        and not (before_end and row.stamp == wanted.newest)
    ]
    if Quirk.RANGE_EXCEEDED not in quirks or not chosen:
        return [every[place] for place in chosen]
    return every[max(chosen[0] - EXCESS, 0) : chosen[-1] + 1 + EXCESS]


def arrange(quirks: frozenset[Quirk], rows: list[Row]) -> list[Row]:
    """The rows, given oldest first, in the order of the meter, and so often as it has them."""
    if _ORDERS.isdisjoint(quirks):
        return rows
    if Quirk.ROWS_NEWEST_FIRST in quirks:
        rows = rows[::-1]
    elif Quirk.ROWS_SHUFFLED in quirks:
        rows = sorted(rows, key=_draw)
    if Quirk.ROWS_DOUBLED in quirks:
        rows = [again for row in rows for again in (row, row)[: 1 + (_draw(row) % _EVERY_DOUBLED == 0)]]
    return rows


def _draw(row: Row) -> int:
    return crc32(repr(row.stamp).encode())


def count_answer(query: Query) -> None:
    """Note that a client gets rows; HangUp each second time."""
    if Quirk.BUFFER_DROPS not in query.meter.quirks or query.association is None:
        return
    memory = query.meter.memory
    memory.buffer_answers += 1
    if memory.buffer_answers % _EVERY_DROPPED == 0:
        raise HangUp
