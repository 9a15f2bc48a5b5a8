"""A-XDR encoding of COSEM data (IEC 62056-6-2 "Common data types", Green Book "Data").

Two ways to make encoded data: :func:`encode` from a :class:`Data` value, and the small functions named after
the types (:func:`double_long_unsigned`, :func:`structure`...), which join already encoded parts and are what
the meter's value providers use.
"""

import struct
from collections.abc import Iterable
from enum import IntEnum
from typing import Any, NamedTuple

from .errors import LocalProtocolError, RemoteProtocolError

MAXIMUM_DEPTH = 16
"""Structures nested deeper than this are refused; no COSEM attribute comes near."""


class DataType(IntEnum):
    """Tags of the data types, as the Blue Book numbers them."""

    NULL_DATA = 0
    ARRAY = 1
    STRUCTURE = 2
    BOOLEAN = 3
    BIT_STRING = 4
    DOUBLE_LONG = 5
    DOUBLE_LONG_UNSIGNED = 6
    OCTET_STRING = 9
    VISIBLE_STRING = 10
    UTF8_STRING = 12
    BCD = 13
    INTEGER = 15
    LONG = 16
    UNSIGNED = 17
    LONG_UNSIGNED = 18
    LONG64 = 20
    LONG64_UNSIGNED = 21
    ENUM = 22
    FLOAT32 = 23
    FLOAT64 = 24
    DATE_TIME = 25
    DATE = 26
    TIME = 27
    DELTA_INTEGER = 28
    DELTA_LONG = 29
    DELTA_DOUBLE_LONG = 30
    DELTA_UNSIGNED = 31
    DELTA_LONG_UNSIGNED = 32
    DELTA_DOUBLE_LONG_UNSIGNED = 33
    DONT_CARE = 255

    @property
    def type_name(self) -> str:
        """The name in Blue Book spelling, such as ``double-long-unsigned``."""
        return self.name.lower().replace("_", "-")


class Data(NamedTuple):
    """One COSEM value with its type.

    Values: None for null-data, bool, int, float, bytes for octet-string, date-time, date and time, str for
    visible-string and utf8-string, str of ``0`` and ``1`` for bit-string, tuple of :class:`Data` for array
    and structure.
    """

    type: DataType
    value: Any = None


FIXED = {
    DataType.BOOLEAN: struct.Struct(">?"),
    DataType.BCD: struct.Struct(">b"),
    DataType.INTEGER: struct.Struct(">b"),
    DataType.UNSIGNED: struct.Struct(">B"),
    DataType.ENUM: struct.Struct(">B"),
    DataType.LONG: struct.Struct(">h"),
    DataType.LONG_UNSIGNED: struct.Struct(">H"),
    DataType.DOUBLE_LONG: struct.Struct(">i"),
    DataType.DOUBLE_LONG_UNSIGNED: struct.Struct(">I"),
    DataType.LONG64: struct.Struct(">q"),
    DataType.LONG64_UNSIGNED: struct.Struct(">Q"),
    DataType.FLOAT32: struct.Struct(">f"),
    DataType.FLOAT64: struct.Struct(">d"),
    DataType.DELTA_INTEGER: struct.Struct(">b"),
    DataType.DELTA_LONG: struct.Struct(">h"),
    DataType.DELTA_DOUBLE_LONG: struct.Struct(">i"),
    DataType.DELTA_UNSIGNED: struct.Struct(">B"),
    DataType.DELTA_LONG_UNSIGNED: struct.Struct(">H"),
    DataType.DELTA_DOUBLE_LONG_UNSIGNED: struct.Struct(">I"),
}
FIXED_OCTETS = {DataType.DATE_TIME: 12, DataType.DATE: 5, DataType.TIME: 4}
TYPES = {int(data_type): data_type for data_type in DataType}
"""By tag: to make an enumeration's member of a number takes longer than all the rest of decoding."""

_WITHOUT_VALUE = {tag: Data(tag) for tag in (DataType.NULL_DATA, DataType.DONT_CARE)}

NULL_DATA = b"\x00"


def encode_length(length: int) -> bytes:
    """A length in A-XDR (and BER) form: one octet below 128, else 0x80 + number of octets and the octets."""
    if length < 0x80:
        return bytes((length,))
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((0x80 | len(octets),)) + octets


def decode_length(buffer: bytes, offset: int) -> tuple[int, int]:
    """The length at ``offset`` and the offset behind it; at most 4 length octets are accepted."""
    if offset >= len(buffer):
        raise RemoteProtocolError("a length is missing")
    first = buffer[offset]
    offset += 1
    if first < 0x80:
        return first, offset
    size = first & 0x7F
    if not 1 <= size <= 4 or offset + size > len(buffer):
        raise RemoteProtocolError("a length is malformed")
    return int.from_bytes(buffer[offset : offset + size], "big"), offset + size


def _pack(tag: DataType, value: Any) -> bytes:
    try:
        return bytes((tag,)) + FIXED[tag].pack(value)
    except (struct.error, OverflowError) as error:
        raise LocalProtocolError(f"{str(value)[:40]} is no {tag.type_name}") from error


def boolean(value: bool) -> bytes:
    """An encoded boolean."""
    return b"\x03\x01" if value else b"\x03\x00"


def integer(value: int) -> bytes:
    """An encoded integer, -128..127."""
    return _pack(DataType.INTEGER, value)


def unsigned(value: int) -> bytes:
    """An encoded unsigned, 0..255."""
    return _pack(DataType.UNSIGNED, value)


def enum(value: int) -> bytes:
    """An encoded enum, 0..255."""
    return _pack(DataType.ENUM, value)


def long(value: int) -> bytes:
    """An encoded long, -32768..32767."""
    return _pack(DataType.LONG, value)


def long_unsigned(value: int) -> bytes:
    """An encoded long-unsigned, 0..65535."""
    return _pack(DataType.LONG_UNSIGNED, value)


def double_long_unsigned(value: int) -> bytes:
    """An encoded double-long-unsigned, 0..4294967295."""
    return _pack(DataType.DOUBLE_LONG_UNSIGNED, value)


def octet_string(value: bytes) -> bytes:
    """An encoded octet-string."""
    return b"\x09" + encode_length(len(value)) + value


def visible_string(value: str) -> bytes:
    """An encoded visible-string; ASCII only."""
    try:
        return b"\x0a" + encode_length(len(value)) + value.encode("ascii")
    except UnicodeEncodeError as error:
        raise LocalProtocolError("a visible-string holds ASCII only") from error


def bit_string(bits: str) -> bytes:
    """An encoded bit-string from its bits, first bit first, such as ``"0101"``."""
    if bits.strip("01"):
        raise LocalProtocolError("a bit-string is written with 0 and 1")
    padded = bits + "0" * (-len(bits) % 8)
    octets = bytes(int(padded[start : start + 8], 2) for start in range(0, len(padded), 8))
    return b"\x04" + encode_length(len(bits)) + octets


def array(elements: Iterable[bytes]) -> bytes:
    """An encoded array of encoded elements."""
    parts = list(elements)
    return b"\x01" + encode_length(len(parts)) + b"".join(parts)


def structure(*elements: bytes) -> bytes:
    """An encoded structure of encoded elements."""
    return b"\x02" + encode_length(len(elements)) + b"".join(elements)


_PLAINEST = {
    **dict.fromkeys(FIXED, 0),
    **{data_type: b"\xff" * size for data_type, size in FIXED_OCTETS.items()},
    # Neither the deviation nor the status of the clock is specified.
    DataType.DATE_TIME: bytes.fromhex("FFFFFFFFFFFFFFFFFF8000FF"),
    DataType.OCTET_STRING: b"",
    **dict.fromkeys((DataType.VISIBLE_STRING, DataType.UTF8_STRING, DataType.BIT_STRING), ""),
    **dict.fromkeys((DataType.ARRAY, DataType.STRUCTURE), ()),
}


def make_plainest(data_type: DataType) -> bytes:
    """The encoded value of a type that says least: 0, nothing, or not specified."""
    return encode(Data(data_type, _PLAINEST.get(data_type)))


def encode(data: Data) -> bytes:
    """The A-XDR encoding of ``data``; :class:`LocalProtocolError` when the value does not fit the type."""
    value = data.value
    try:
        tag = DataType(data.type)
    except ValueError as error:
        raise LocalProtocolError(f"there is no data type {data.type}") from error
    try:
        if tag in FIXED:
            return _pack(tag, value)
        if tag in (DataType.ARRAY, DataType.STRUCTURE):
            return bytes((tag,)) + encode_length(len(value)) + b"".join(encode(item) for item in value)
        if tag is DataType.OCTET_STRING:
            return octet_string(bytes(value))
        if tag is DataType.VISIBLE_STRING:
            return visible_string(value)
        if tag is DataType.UTF8_STRING:
            octets = value.encode()
            return b"\x0c" + encode_length(len(octets)) + bytes(octets)
        if tag is DataType.BIT_STRING:
            return bit_string(value)
    except (TypeError, AttributeError, ValueError) as error:
        raise LocalProtocolError(f"a value of type {type(value).__name__} is no {tag.type_name}") from error
    if tag in FIXED_OCTETS:
        if not isinstance(value, bytes) or len(value) != FIXED_OCTETS[tag]:
            raise LocalProtocolError(f"{tag.type_name} takes {FIXED_OCTETS[tag]} octets")
        return bytes((tag,)) + value
    return bytes((tag,))


def decode(buffer: bytes) -> Data:
    """The one value that ``buffer`` holds; :class:`RemoteProtocolError` for anything else."""
    data, end = decode_from(buffer, 0)
    if end != len(buffer):
        raise RemoteProtocolError("octets are left behind the value")
    return data


def decode_from(buffer: bytes, offset: int, depth: int = 0) -> tuple[Data, int]:
    """The value at ``offset`` and the offset behind it.

    Time and memory are bounded by the length of ``buffer``: every element takes at least one octet of it, and
    nesting ends at :data:`MAXIMUM_DEPTH`.
    """
    if depth > MAXIMUM_DEPTH:
        raise RemoteProtocolError("data is nested too deep")
    try:
        tag = TYPES[buffer[offset]]
    except (IndexError, KeyError) as error:
        raise RemoteProtocolError("data has no known type") from error
    offset += 1
    layout = FIXED.get(tag)
    if layout is not None:
        end = offset + layout.size
        if end > len(buffer):
            raise RemoteProtocolError("data is cut short")
        return Data(tag, layout.unpack_from(buffer, offset)[0]), end
    if tag in _WITHOUT_VALUE:
        return _WITHOUT_VALUE[tag], offset
    if tag in FIXED_OCTETS:
        return Data(tag, _take_octets(buffer, offset, FIXED_OCTETS[tag])), offset + FIXED_OCTETS[tag]
    length, offset = decode_length(buffer, offset)
    if tag in (DataType.ARRAY, DataType.STRUCTURE):
        if length > len(buffer) - offset:
            raise RemoteProtocolError("data announces more elements than octets")
        items = []
        for _ in range(length):
            item, offset = decode_from(buffer, offset, depth + 1)
            items.append(item)
        return Data(tag, tuple(items)), offset
    if tag is DataType.BIT_STRING:
        size = (length + 7) // 8
        octets = _take_octets(buffer, offset, size)
        return Data(tag, f"{int.from_bytes(octets, 'big'):0{8 * size}b}"[:length]), offset + size
    octets = _take_octets(buffer, offset, length)
    return Data(tag, octets if tag is DataType.OCTET_STRING else _decode_text(tag, octets)), offset + length


def _take_octets(buffer: bytes, offset: int, length: int) -> bytes:
    if offset + length > len(buffer):
        raise RemoteProtocolError("data is cut short")
    return bytes(buffer[offset : offset + length])


def _decode_text(tag: DataType, octets: bytes) -> str:
    try:
        return octets.decode("utf-8" if tag is DataType.UTF8_STRING else "ascii")
    except UnicodeDecodeError as error:
        raise RemoteProtocolError(f"a {tag.type_name} holds other octets than text") from error
