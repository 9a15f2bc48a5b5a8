"""Numbers and words of bits, in whatever data type a meter sends them (Blue Book 4.1.5, data types)."""

import math
from decimal import Decimal

LARGEST_FLOAT = 1e24
"""Larger floats are no measured values: integers of 64 bits end before 10 to the 20."""


def to_number(value: object) -> int | Decimal | None:
    """Return a number of any type. None for null-data.

    A float is an integer if it is whole, else the shortest decimal that stands for it. Raises ValueError for
    anything else, for a truth value, and for a float that is no number, or too large.
    """
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and math.isfinite(value) and abs(value) <= LARGEST_FLOAT:
        return int(value) if value.is_integer() else Decimal(repr(value))
    raise ValueError("it is not a number")


def to_bits(value: object, largest: int) -> int:
    """Return a word of bits, which is a number or a bit-string.

    Of a bit-string the leftmost bit is the most significant, as it is written. Raises ValueError unless it is
    0 to ``largest``.
    """
    if isinstance(value, str) and value and not value.strip("01"):
        value = int(value, 2)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= largest:
        raise ValueError(f"it is no word of bits from 0 to {largest}")
    return value
