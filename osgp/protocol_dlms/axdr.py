"""A-XDR encoding and decoding of COSEM data (IEC 61334-6 as profiled by the Green Book, 9.5 ``Data``).

Four decoders share the format:

* :func:`decode`, to typed :class:`Data`;
* :func:`decode_native`, to plain values, for profile buffers, where types would only cost time;
* :func:`decode_prefix`, typed, for data followed by something else;
* :func:`decode_parts`, typed, for an array of which an element may be the last that anybody wants.

All raise :class:`errors.DecodeError`, before allocating anything, for data that are cut short, nested
deeper than ``MAX_DEPTH`` or more than their ``budget`` allows, see :mod:`osgp.protocol_dlms.budget`. Values
of one reply share one; without it each call has one for its octets alone. Time and memory are proportional to
the input, and what takes long gives way to other threads and greenlets.
"""

import struct
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeVar

from osgp.protocol_dlms.axdr_reader import MAX_DEPTH, Reader
from osgp.protocol_dlms.axdr_types import FIXED_OCTETS, NUMBERS
from osgp.protocol_dlms.budget import MAX_PLAIN_ELEMENTS, Budget
from osgp.protocol_dlms.data import Data, DataType
from osgp.protocol_dlms.errors import DecodeError, EncodeError

T = TypeVar("T")
_FLOATS = (DataType.FLOAT32, DataType.FLOAT64)


# Encoding


def encode_length(length: int) -> bytes:
    """Encode a length for A-XDR or BER: one octet below 128, else the size with bit 7 set, and the octets."""
    if length < 0x80:
        return bytes((length,))
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((0x80 | len(octets),)) + octets


def encode(data: Data) -> bytes:
    """Return the A-XDR octets of ``data``. Raises :class:`EncodeError` if a value does not fit its type."""
    encoded = bytearray()
    _encode_into(encoded, data, MAX_DEPTH)
    return bytes(encoded)


def _encode_into(encoded: bytearray, data: Data, depth: int) -> None:
    data_type, value = data
    encoded.append(data_type)
    if data_type in NUMBERS:
        encoded += _encode_number(data_type, value)
    elif data_type in (DataType.ARRAY, DataType.STRUCTURE):
        if not depth:
            raise EncodeError(f"data nested deeper than {MAX_DEPTH} levels")
        if not isinstance(value, tuple | list):
            raise EncodeError(f"{data_type.name} needs a sequence of elements")
        encoded += encode_length(len(value))
        for element in value:
            _encode_into(encoded, element, depth - 1)
    elif data_type in (DataType.NULL_DATA, DataType.DONT_CARE):
        if value is not None:
            raise EncodeError(f"{data_type.name} has no value")
    elif data_type == DataType.BOOLEAN:
        if not isinstance(value, bool):
            raise EncodeError("BOOLEAN needs a bool")
        encoded.append(0xFF if value else 0x00)
    elif data_type == DataType.BIT_STRING:
        encoded += _encode_bits(value)
    elif data_type == DataType.COMPACT_ARRAY:
        raise EncodeError("compact arrays are only received, never sent: send the array")
    else:
        encoded += _encode_octets(data_type, value)


def _encode_number(data_type: int, value: object) -> bytes:
    name, number = NUMBERS[data_type]
    allowed = int | float if data_type in _FLOATS else int
    if not isinstance(value, allowed) or isinstance(value, bool):
        raise EncodeError(f"{name} needs a number, not {type(value).__name__}")
    try:
        return number.pack(value)
    except (struct.error, OverflowError) as error:
        raise EncodeError(f"{value} does not fit {name}") from error


def _encode_bits(value: object) -> bytes:
    if not isinstance(value, str) or value.strip("01"):
        raise EncodeError("BIT_STRING needs a str of 0 and 1")
    size = (len(value) + 7) // 8
    octets = int(value.ljust(size * 8, "0") or "0", 2).to_bytes(size, "big")
    return encode_length(len(value)) + octets


def _encode_octets(data_type: DataType, value: object) -> bytes:
    if data_type in (DataType.VISIBLE_STRING, DataType.UTF8_STRING):
        if not isinstance(value, str):
            raise EncodeError(f"{data_type.name} needs a str")
        try:
            octets = value.encode("ascii" if data_type == DataType.VISIBLE_STRING else "utf-8")
        except UnicodeEncodeError as error:
            raise EncodeError(f"the text does not fit {data_type.name}") from error
        return encode_length(len(octets)) + octets
    if not isinstance(value, bytes | bytearray):
        raise EncodeError(f"{data_type.name} needs bytes")
    if data_type == DataType.OCTET_STRING:
        return encode_length(len(value)) + value
    if len(value) != FIXED_OCTETS[data_type]:
        raise EncodeError(f"{data_type.name} has {FIXED_OCTETS[data_type]} octets, not {len(value)}")
    return bytes(value)


# Decoding


def decode(encoded: bytes, budget: Budget | None = None) -> Data:
    """Return the typed value of ``encoded``. Raises :class:`DecodeError` if it is not exactly one value."""
    data, end = decode_prefix(encoded, budget=budget)
    if end != len(encoded):
        raise DecodeError(f"{len(encoded) - end} octets follow the data")
    return data


def decode_prefix(encoded: bytes, start: int = 0, *, budget: Budget | None = None) -> tuple[Data, int]:
    """Return the typed value that begins at ``start``, and the position of its end."""
    return Reader(encoded, start, budget or Budget(len(encoded) - start)).run(typed=True)


def decode_entries(
    encoded: bytes, start: int, is_entry: Callable[[Data], bool], most_others: int, *, budget: Budget
) -> tuple[Data, int]:
    """As decode_prefix, of an array of entries: :class:`DecodeError` after more others in a row than that."""
    reader = Reader(encoded, start, budget)
    return reader.finish(partial(reader.read_entries, is_entry, most_others))


def decode_native(encoded: bytes, budget: Budget | None = None) -> Any:
    """Return plain values without types: a faster ``decode(encoded).native``."""
    budget = budget or Budget(most=MAX_PLAIN_ELEMENTS)
    budget.begin(len(encoded))
    value, end = Reader(encoded, 0, budget).run(typed=False)
    if end != len(encoded):
        raise DecodeError(f"{len(encoded) - end} octets follow the data")
    return value


def decode_parts(encoded: bytes, take: Callable[[Iterator[Data]], T], budget: Budget | None = None) -> T:
    """Return what ``take`` makes of the elements of an array, each of ``MOST_IN_PART`` elements at most.

    They are decoded as ``take`` asks for them, and its work counts as decoding. It gets the
    :class:`DecodeError` of data that are no array, or make no sense, when it comes to them.
    """
    return Reader(encoded, 0, budget or Budget(len(encoded))).run_parts(take)
