"""What a complete answer means for the caller: a value, or that the outcome is not known."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from osgp.catalogue.cosem import AttributeDescriptor
from osgp.protocol_dlms import axdr, errors
from osgp.protocol_dlms.budget import Budget
from osgp.protocol_dlms.data import Data, DataType
from osgp.protocol_dlms.reply_limits import find_most_elements, is_object_list

T = TypeVar("T")
_CLOCK_LENGTH = 12


MOST_SENSELESS_OBJECTS = 32
"""Entries of an object list in a row that are no objects, after which the rest is not decoded."""
_OBJECT_MEMBERS = 4


def decode_value(raw: bytes, attribute: AttributeDescriptor, budget: Budget) -> Data:
    """Decode the value of an attribute, the next reply of a ``budget``.

    Ignores octets after a date-time, which some meters send, but no others.
    """
    budget.begin(len(raw), find_most_elements([attribute]))
    data, end = decode_attribute(raw, 0, attribute, budget)
    if end == len(raw):
        return data
    if data.type in (DataType.OCTET_STRING, DataType.DATE_TIME):
        assert isinstance(data.value, bytes)
        if len(data.value) == _CLOCK_LENGTH:
            return data
    raise errors.DecodeError(f"{len(raw) - end} octets follow the data")


def decode_attribute(
    encoded: bytes, start: int, attribute: AttributeDescriptor, budget: Budget
) -> tuple[Data, int]:
    """Decode what begins at ``start``, the value of an attribute; returns it and where it ends."""
    if is_object_list(attribute):
        return axdr.decode_entries(encoded, start, _is_object, MOST_SENSELESS_OBJECTS, budget=budget)
    return axdr.decode_prefix(encoded, start, budget=budget)


def _is_object(entry: Data) -> bool:
    """Whether an entry has the members of an object of an association (Blue Book 4.4.3 and 4.4.4)."""
    if entry.type is not DataType.STRUCTURE:
        return False
    assert isinstance(entry.value, tuple)
    return len(entry.value) == _OBJECT_MEMBERS


def decode_elements(
    raw: bytes, attribute: AttributeDescriptor, take: Callable[[Iterator[Data]], T], budget: Budget
) -> T:
    """Have ``take`` make something of the elements of an array, the next reply of a ``budget``.

    A meter whose elements it declines with an error has sent an answer of no use.
    """
    budget.begin(len(raw), find_most_elements([attribute]))
    try:
        return axdr.decode_parts(raw, take, budget)
    except errors.ValueTooLarge:
        raise  # Noted already.
    except errors.DecodeError:
        budget.note_waste()
        raise


def decode_rows(raw: bytes, budget: Budget) -> list[tuple[object, ...]]:
    """Decode the rows of a buffer, each a tuple of plain values: an empty one if it is no structure."""
    rows = axdr.decode_native(raw, budget)
    if rows is None:
        return []
    if not isinstance(rows, tuple):
        raise errors.DecodeError("the buffer of a profile is not an array")
    return [row if isinstance(row, tuple) else () for row in rows]


@contextmanager
def telling_the_outcome() -> Iterator[None]:
    """For a SET or ACTION: have an answer that cannot be understood say that the outcome is not known.

    So does one that fails authentication, after which the association is closed.
    """
    try:
        yield
    except errors.DecodeError as error:
        raise errors.OutcomeNotTold(f"it is not known whether it took effect: {error.message}") from error
    except errors.UnableToDecipher as error:
        error.may_have_taken_effect = True
        raise
