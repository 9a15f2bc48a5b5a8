"""Numbers of whatever type a meter has for them: integers, deltas, floating-point numbers, bit-strings."""

import math
import struct
from collections.abc import Sequence
from decimal import Context, Decimal

from osgp.protocol_dlms.data import Float32

LARGEST_FLOAT = 1e24
"""A floating-point number beyond it is no measured value: integers of 64 bits end before 10 to the 20."""

_FLOAT32 = struct.Struct(">f")
_FLOAT32_DIGITS = range(6, 10)
"""Significant digits that may be needed to tell a float32 from its neighbours."""
_EXACT = Context(prec=80)
"""Room for the largest number with all decimal places that are kept."""


def to_number(value: object) -> int | Decimal | None:
    """Return the exact number that a meter sent as any numeric type (Blue Book 4.1.5); None for null-data.

    An integer for integers, enumerations, BCD octets and deltas, and for floating-point numbers that are
    whole; else the decimal with the fewest digits that gives the same float32 or float64. Raises ValueError
    for anything else, with words that say what it is.
    """
    if value is None or type(value) is int or isinstance(value, Decimal):
        return value
    if isinstance(value, bool):
        raise ValueError("a truth value instead of a number")
    if isinstance(value, int):
        return int(value)
    if not isinstance(value, float):
        raise ValueError(f"{name_kind(value)} instead of a number")
    if not math.isfinite(value) or abs(value) > LARGEST_FLOAT:
        raise ValueError("a floating-point number that is no number, or beyond all bounds")
    if value.is_integer():
        return int(value)
    return _shorten(value) if isinstance(value, Float32) else Decimal(repr(value))


def to_bits(value: object, largest: int) -> int:
    """Return the flags of a status or register of alarms as a number from 0 to ``largest``.

    They come as a word of 8, 16 or 32 bits, or as a bit-string. A bit-string of the received form, such as
    ``"00001000"``, counts as it is written: its leftmost (first) bit is the most significant one, its last
    bit is bit 0, as in the octets that carry it. Raises ValueError, with words that say what is wrong.
    """
    if isinstance(value, str) and value and not value.strip("01"):
        bits = int(value, 2) if len(value) <= _MOST_BITS else largest + 1
    elif isinstance(value, int) and not isinstance(value, bool):
        bits = int(value)
    else:
        raise ValueError(f"{name_kind(value)} instead of bits")
    if not 0 <= bits <= largest:
        raise ValueError(f"bits outside 0..{largest}")
    return bits


_MOST_BITS = 1024


def align(numbers: Sequence[int | Decimal | None], places: int) -> tuple[Sequence[int | None], int]:
    """Return numbers as integers with a common exponent: a number is its integer times ten to the exponent.

    The exponent is 0 for integers alone, else from ``-places`` to 0: more decimal places than ``places`` come
    only from floating-point numbers, which are not that exact, and are rounded.
    """
    if Decimal not in set(map(type, numbers)):
        return numbers, 0  # type: ignore[return-value]
    exponents = [int(number.as_tuple().exponent) for number in numbers if isinstance(number, Decimal)]
    exponent = max(min(0, *exponents), -max(places, 0))
    return [None if number is None else _scale(number, -exponent) for number in numbers], exponent


def _scale(number: int | Decimal, places: int) -> int:
    if isinstance(number, int):
        return number * int(10**places)
    return int(number.scaleb(places, _EXACT).to_integral_value(context=_EXACT))


def _shorten(value: float) -> Decimal:
    """The decimal with the fewest digits that gives the same float32."""
    octets = _FLOAT32.pack(value)
    texts = (f"{value:.{digits}g}" for digits in _FLOAT32_DIGITS)
    return Decimal(next(text for text in texts if _FLOAT32.pack(float(text)) == octets))


def name_kind(value: object) -> str:
    """What a value without its type is, in words."""
    if isinstance(value, bytes):
        return "octets"
    if isinstance(value, str):
        return "a text"
    if isinstance(value, bool):
        return "a truth value"
    if isinstance(value, tuple):
        return "a structure"
    if isinstance(value, float):
        return "a floating-point number"
    return "nothing" if value is None else "something"
