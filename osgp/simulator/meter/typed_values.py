"""Numbers and texts in the data types of a profile."""

from collections.abc import Callable

from ..codec.axdr import FIXED, DataType, encode_length
from .query import Provider, Query
from .registry import Count, Number, Text

_SIGNED = (DataType.INTEGER, DataType.LONG, DataType.DOUBLE_LONG, DataType.LONG64)
_UNSIGNED = (
    DataType.UNSIGNED,
    DataType.LONG_UNSIGNED,
    DataType.DOUBLE_LONG_UNSIGNED,
    DataType.LONG64_UNSIGNED,
    DataType.ENUM,
)
_TEXT = (DataType.OCTET_STRING, DataType.VISIBLE_STRING, DataType.UTF8_STRING)


def _find_bounds(data_type: DataType) -> tuple[int, int]:
    bits = 8 * FIXED[data_type].size
    return (-(1 << bits - 1), (1 << bits - 1) - 1) if data_type in _SIGNED else (0, (1 << bits) - 1)


def number_encoder(data_type: DataType) -> Callable[[float], bytes] | None:
    """What encodes numbers as the nearest that the type holds; None when it holds none."""
    return _make_rounder(data_type) if data_type in (*_SIGNED, *_UNSIGNED) else None


def _make_rounder(data_type: DataType) -> Callable[[float], bytes]:
    tag, pack = bytes((data_type,)), FIXED[data_type].pack
    lowest, highest = _find_bounds(data_type)

    def encode(number: float) -> bytes:
        whole = round(number)
        if not lowest <= whole <= highest:
            whole = lowest if whole < lowest else highest
        return tag + pack(whole)

    return encode


def number_provider(number: Number | Count, data_type: DataType, scaler: int) -> Provider | None:
    """What makes ``number`` in a data type, counted in 10^``scaler`` of its unit; None when the type holds
    no numbers."""
    if data_type not in (*_SIGNED, *_UNSIGNED):
        return None
    exponent = number.scaler_unit.scaler - scaler
    if isinstance(number, Count):
        return _make_counter(number.measure, data_type, exponent)
    measure, encode, factor = number.measure, _make_rounder(data_type), 10**exponent
    if exponent == 0:
        return lambda query: encode(measure(query))
    return lambda query: encode(measure(query) * factor)


def _make_counter(measure: Callable[[Query], int], data_type: DataType, exponent: int) -> Provider:
    tag, pack = bytes((data_type,)), FIXED[data_type].pack
    _, mask = _find_bounds(data_type)
    if exponent == 0:
        return lambda query: tag + pack(measure(query) & mask)
    # In whole numbers: a float would lose the last digits of a large register.
    multiplied, divided = 10 ** max(exponent, 0), 10 ** max(-exponent, 0)
    return lambda query: tag + pack(measure(query) * multiplied // divided & mask)


def text_provider(text: Text, data_type: DataType) -> Provider | None:
    """What makes ``text`` in a data type; None when the type holds no text."""
    if data_type not in _TEXT:
        return None
    tag = bytes((data_type,))

    def provider(query: Query) -> bytes:
        octets = text(query).encode("ascii", "replace")
        return tag + encode_length(len(octets)) + octets

    return provider
