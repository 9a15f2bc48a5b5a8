"""The entries of a special days table (class 11, attribute 2): days that use another day profile."""

from collections.abc import Sequence
from typing import NamedTuple

from osgp.cosem.date_patterns import DatePattern, InvalidPattern
from osgp.cosem.errors import make_illegal_response
from osgp.protocol_dlms import Data, DataType

MOST_PARSED = 1000
"""Entries of an answer; meters hold some dozens."""


class SpecialDay(NamedTuple):
    """Days on which the day profile with ``day_id`` (0..255) applies."""

    date: DatePattern
    day_id: int

    def __str__(self) -> str:
        return f"day {self.day_id} on {self.date}"


def encode(days: Sequence[SpecialDay]) -> Data:
    """Return the whole table. Entries have the indexes 0, 1, 2 and so on."""
    return Data(
        DataType.ARRAY,
        tuple(
            Data(
                DataType.STRUCTURE,
                (
                    Data(DataType.LONG_UNSIGNED, index),
                    Data(DataType.OCTET_STRING, day.date.to_octets()),
                    Data(DataType.UNSIGNED, day.day_id),
                ),
            )
            for index, day in enumerate(days)
        ),
    )


def parse(data: Data) -> list[SpecialDay]:
    """Return the entries in the order of their indexes, wherever these begin.

    Raises Fault for anything that is no such table, also for a date that there cannot be.
    """
    entries = data.native
    if data.type is not DataType.ARRAY or not isinstance(entries, tuple) or len(entries) > MOST_PARSED:
        raise make_illegal_response(f"The special days table is not an array of at most {MOST_PARSED}.")
    return [day for _, day in sorted((_parse_entry(entry) for entry in entries), key=lambda each: each[0])]


def _parse_entry(entry: object) -> tuple[int, SpecialDay]:
    match entry:
        case (int(index), bytes(octets), int(day_id)) if (
            bool not in (type(index), type(day_id)) and 0 <= index <= 0xFFFF and 0 <= day_id <= 0xFF
        ):
            try:
                return index, SpecialDay(DatePattern.from_octets(octets), day_id)
            except InvalidPattern as error:
                raise make_illegal_response(f"Entry {index} of the special days table: {error}") from None
    raise make_illegal_response("An entry of the special days table is not index, date and day id.")
