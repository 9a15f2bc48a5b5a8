"""Cells of buffers that only make sense together with the row before: null-data for what repeats, deltas.

Blue Book, class 7, buffer: null-data may stand for the value of the row before; the data types delta-integer
to delta-double-long-unsigned (tags 28 to 33) for the difference from it.
"""

from collections.abc import Callable

from ..codec.axdr import FIXED, NULL_DATA, Data, DataType, decode, encode
from .rows import Row

Maker = Callable[[Row], bytes]

_SIGNED = (DataType.DELTA_INTEGER, DataType.DELTA_LONG, DataType.DELTA_DOUBLE_LONG)
_UNSIGNED = (
    DataType.DELTA_UNSIGNED,
    DataType.DELTA_LONG_UNSIGNED,
    DataType.DELTA_DOUBLE_LONG_UNSIGNED,
)


class RepeatColumn:
    """Null-data for what is as in the row before. A value that goes missing looks the same as one that stays:
    such meters cannot tell."""

    def __init__(self, make: Maker) -> None:
        self._make = make
        self._before: bytes | None = None

    def __call__(self, row: Row) -> bytes:
        """The cell of the next row."""
        encoded = self._make(row)
        before, self._before = self._before, encoded
        return NULL_DATA if encoded == before else encoded


class DeltaColumn:
    """A number in the first row, and after a row without a number; then differences. With ``leaves_out``,
    no difference is null-data."""

    def __init__(self, make: Maker, *, leaves_out: bool) -> None:
        self._make = make
        self._leaves_out = leaves_out
        self._before: int | None = None

    def __call__(self, row: Row) -> bytes:
        """The cell of the next row."""
        encoded = self._make(row)
        number = decode(encoded).value
        before, self._before = self._before, number
        if number is None or before is None:
            return encoded
        if number == before and self._leaves_out:
            return NULL_DATA
        return _encode_delta(number - before) or encoded


def _encode_delta(delta: int) -> bytes | None:
    """In the smallest type: a signed one for odd numbers too, so that all types come. None if none holds
    it."""
    is_signed = delta < 0 or delta % 2 == 1
    for data_type in _SIGNED if is_signed else _UNSIGNED:
        values = 1 << 8 * FIXED[data_type].size
        if (-values // 2 <= delta < values // 2) if is_signed else delta < values:
            return encode(Data(data_type, delta))
    return None
