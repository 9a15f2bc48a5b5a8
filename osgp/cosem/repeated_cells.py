"""Cells of a buffer that only make sense with the row before: null-data, and numbers of the delta types.

Blue Book, class 7, buffer: null-data may stand for a value that is the same as in the row before. Blue Book,
common data types: a delta (tags 28 to 33) is added to the value in the row before.
"""

from collections.abc import Sequence
from decimal import Decimal

from osgp.cosem.numbers import to_number
from osgp.protocol_dlms.data import Delta


class _Gap:
    """Stands in for the cells of a row that was not understood: what is relative to it means nothing."""


GAP = _Gap()
_RELATIVE = {type(None), Delta, _Gap}


def fill(cells: Sequence[object]) -> Sequence[object]:
    """Return the values of one column, in the order of the meter's answer.

    Null-data repeats the value before it; from the first row on, and after a ``GAP``, it stays None: there is
    no value. A delta that has no number before it stays a Delta, which makes no sense to anybody.
    """
    if _RELATIVE.isdisjoint(map(type, cells)):
        return cells
    filled: list[object] = []
    before: object = None
    for cell in cells:
        if type(cell) is Delta:
            before = _add(before, cell)
        elif cell is GAP:
            before = None
        elif cell is not None:
            before = cell
        filled.append(before)
    return filled


def _add(before: object, delta: Delta) -> int | Decimal:
    if before is None or type(before) is Delta:
        return delta
    try:
        number = to_number(before)
    except ValueError:
        return delta
    assert number is not None
    return number + int(delta)
