"""A-XDR encoding and decoding of COSEM data (IEC 61334-6 as profiled by the Green Book, 9.5 ``Data``).

Three decoders share the format:

* :func:`decode`, to typed :class:`Data`;
* :func:`decode_native`, to plain values, for profile buffers, where types would only cost time;
* :func:`decode_prefix`, typed, for data followed by something else.

All raise :class:`errors.DecodeError`, before allocating anything, for data that are cut short, nested
deeper than ``MAX_DEPTH`` or of more than ``MAX_ELEMENTS`` elements. Time and memory are proportional to the
input, also for compact arrays, which could otherwise describe far more elements than they have octets.
"""

import struct
from collections.abc import Callable
from typing import Any

from osgp.protocol_dlms.data import Data, DataType, Delta, Float32
from osgp.protocol_dlms.errors import DecodeError, EncodeError

MAX_DEPTH = 16
MAX_ELEMENTS = 250_000

_NUMBERS: dict[int, tuple[str, struct.Struct]] = {
    tag: (data_type.name, struct.Struct(f">{code}"))
    for tag, data_type, code in (
        (int(data_type), data_type, code)
        for data_type, code in (
            (DataType.DOUBLE_LONG, "i"),
            (DataType.DOUBLE_LONG_UNSIGNED, "I"),
            (DataType.BCD, "b"),
            (DataType.INTEGER, "b"),
            (DataType.LONG, "h"),
            (DataType.UNSIGNED, "B"),
            (DataType.LONG_UNSIGNED, "H"),
            (DataType.LONG64, "q"),
            (DataType.LONG64_UNSIGNED, "Q"),
            (DataType.ENUM, "B"),
            (DataType.FLOAT32, "f"),
            (DataType.FLOAT64, "d"),
            (DataType.DELTA_INTEGER, "b"),
            (DataType.DELTA_LONG, "h"),
            (DataType.DELTA_DOUBLE_LONG, "i"),
            (DataType.DELTA_UNSIGNED, "B"),
            (DataType.DELTA_LONG_UNSIGNED, "H"),
            (DataType.DELTA_DOUBLE_LONG_UNSIGNED, "I"),
        )
    )
}
_FLOATS = (DataType.FLOAT32, DataType.FLOAT64)
_MARKED: dict[int, type[Delta] | type[Float32]] = {
    DataType.FLOAT32: Float32,
    **dict.fromkeys(range(DataType.DELTA_INTEGER, DataType.DELTA_DOUBLE_LONG_UNSIGNED + 1), Delta),
}
"""Types whose numbers must be told from others of the same value, by tag."""

_Unpack = Callable[[bytes, int], tuple[Any, ...]]


def _make_unpack(tag: int, number: struct.Struct) -> _Unpack:
    """What reads a number at a position. Only the marked types, which are rare, cost another call."""
    unpack, mark = number.unpack_from, _MARKED.get(tag)
    if mark is None:
        return unpack
    return lambda encoded, position: (mark(unpack(encoded, position)[0]),)


_UNPACK: dict[int, tuple[_Unpack, int]] = {
    tag: (_make_unpack(tag, number), number.size) for tag, (_, number) in _NUMBERS.items()
}
_FIXED_OCTETS = {int(DataType.DATE_TIME): 12, int(DataType.DATE): 5, int(DataType.TIME): 4}
FIXED_SIZES = {
    **{tag: number.size for tag, (_, number) in _NUMBERS.items()},
    **_FIXED_OCTETS,
    int(DataType.NULL_DATA): 0,
    int(DataType.DONT_CARE): 0,
    int(DataType.BOOLEAN): 1,
}
"""Octets after the tag, of the types that always have the same number of them."""
_ARRAY, _STRUCTURE, _COMPACT_ARRAY = 1, 2, 19
_DATA_TYPES = {int(data_type): data_type for data_type in DataType}


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
    if data_type in _NUMBERS:
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
    name, number = _NUMBERS[data_type]
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
    if len(value) != _FIXED_OCTETS[data_type]:
        raise EncodeError(f"{data_type.name} has {_FIXED_OCTETS[data_type]} octets, not {len(value)}")
    return bytes(value)


# Decoding


def decode(encoded: bytes, most_elements: int = MAX_ELEMENTS) -> Data:
    """Return the typed value of ``encoded``. Raises :class:`DecodeError` if it is not exactly one value.

    ``most_elements`` is a lower limit for senders that nobody asked.
    """
    data, end = decode_prefix(encoded, most_elements=most_elements)
    if end != len(encoded):
        raise DecodeError(f"{len(encoded) - end} octets follow the data")
    return data


def decode_prefix(encoded: bytes, start: int = 0, *, most_elements: int = MAX_ELEMENTS) -> tuple[Data, int]:
    """Return the typed value that begins at ``start``, and the position of its end."""
    return _Reader(encoded, start, most_elements).run(typed=True)


def decode_native(encoded: bytes) -> Any:
    """Return plain values without types: a faster ``decode(encoded).native``."""
    value, end = decode_native_prefix(encoded)
    if end != len(encoded):
        raise DecodeError(f"{len(encoded) - end} octets follow the data")
    return value


def decode_native_prefix(encoded: bytes, start: int = 0) -> tuple[Any, int]:
    """Return the plain value that begins at ``start``, and the position of its end."""
    return _Reader(encoded, start).run(typed=False)


class _Reader:
    """One pass over ``encoded``; ``position`` is that of the next octet."""

    __slots__ = ("budget", "encoded", "most_elements", "position")

    def __init__(self, encoded: bytes, start: int, most_elements: int = MAX_ELEMENTS) -> None:
        self.encoded = bytes(encoded)
        self.position = start
        self.budget = self.most_elements = most_elements

    def run(self, *, typed: bool) -> tuple[Any, int]:
        try:
            value = self.read_typed(MAX_DEPTH) if typed else self.read_native(MAX_DEPTH)
        except (IndexError, struct.error) as error:
            raise DecodeError("the data are cut short") from error
        return value, self.position

    def read_length(self) -> int:
        """Read a length of at most four octets; allocates nothing for it."""
        first = self.encoded[self.position]
        self.position += 1
        if first < 0x80:
            return first
        size = first & 0x7F
        if not 1 <= size <= 4:
            raise DecodeError(f"a length of {size} octets")
        end = self.position + size
        if end > len(self.encoded):
            raise DecodeError("the data are cut short")
        value = int.from_bytes(self.encoded[self.position : end], "big")
        self.position = end
        return value

    def read_count(self, least: int = 1) -> int:
        """Read a number of elements of at least ``least`` octets each, which must lie within the input."""
        count = self.read_length()
        if count * least > len(self.encoded) - self.position:
            raise DecodeError(f"{count} elements announced, more than there are octets")
        self.spend(count)
        return count

    def spend(self, elements: int) -> None:
        self.budget -= elements
        if self.budget < 0:
            raise DecodeError(f"more than {self.most_elements} elements")

    def read_octets(self, size: int) -> bytes:
        start = self.position
        end = start + size
        if end > len(self.encoded):
            raise DecodeError("the data are cut short")
        self.position = end
        return self.encoded[start:end]

    def read_tag(self) -> int:
        tag = self.encoded[self.position]
        self.position += 1
        return tag

    def read_native(self, depth: int) -> Any:
        """Read the next value. Types that are frequent in profile buffers come first, without a call."""
        encoded = self.encoded
        position = self.position
        tag = encoded[position]
        number = _UNPACK.get(tag)
        if number is not None:
            self.position = position + 1 + number[1]
            return number[0](encoded, position + 1)[0]
        if tag == 9 and encoded[position + 1] < 0x80:
            end = position + 2 + encoded[position + 1]
            if end > len(encoded):
                raise DecodeError("the data are cut short")
            self.position = end
            return encoded[position + 2 : end]
        if tag == 0:
            self.position = position + 1
            return None
        self.position = position + 1
        if tag in (_STRUCTURE, _ARRAY):
            if not depth:
                raise DecodeError(f"data nested deeper than {MAX_DEPTH} levels")
            native = self.read_native
            depth -= 1
            return tuple([native(depth) for _ in range(self.read_count())])
        if tag == _COMPACT_ARRAY:
            return self.read_compact_array(depth, typed=False)
        return self.read_scalar(tag)

    def read_typed(self, depth: int) -> Data:
        tag = self.read_tag()
        if tag in (_STRUCTURE, _ARRAY):
            if not depth:
                raise DecodeError(f"data nested deeper than {MAX_DEPTH} levels")
            elements = tuple([self.read_typed(depth - 1) for _ in range(self.read_count())])
            return Data(_DATA_TYPES[tag], elements)
        if tag == _COMPACT_ARRAY:
            return Data(DataType.ARRAY, self.read_compact_array(depth, typed=True))
        value = self.read_scalar(tag)
        return Data(_DATA_TYPES[tag], value)

    def read_scalar(self, tag: int) -> object:
        """Read a value of the type ``tag``, after its tag; not for arrays and structures."""
        number = _UNPACK.get(tag)
        if number is not None:
            unpack, size = number
            value = unpack(self.encoded, self.position)[0]
            self.position += size
            return value
        if tag == DataType.OCTET_STRING:
            return self.read_octets(self.read_length())
        if tag in (DataType.NULL_DATA, DataType.DONT_CARE):
            return None
        if tag == DataType.BOOLEAN:
            return self.read_tag() != 0
        if tag == DataType.VISIBLE_STRING:
            # Some meters send octets outside ASCII: a label is no reason to refuse the whole answer.
            return self.read_octets(self.read_length()).decode("latin-1")
        if tag == DataType.UTF8_STRING:
            return self.read_octets(self.read_length()).decode("utf-8", errors="replace")
        if tag in _FIXED_OCTETS:
            return self.read_octets(_FIXED_OCTETS[tag])
        if tag == DataType.BIT_STRING:
            return self.read_bits()
        raise DecodeError(f"unknown data type {tag}")

    def read_bits(self) -> str:
        count = self.read_length()
        octets = self.read_octets((count + 7) // 8)
        return "".join([f"{octet:08b}" for octet in octets])[:count]

    def read_compact_array(self, depth: int, *, typed: bool) -> tuple[Any, ...]:
        """Read the elements of a compact array: one type description, then contents without tags."""
        if not depth:
            raise DecodeError(f"data nested deeper than {MAX_DEPTH} levels")
        description = self.read_type_description(depth - 1)
        end = self.read_length() + self.position
        if end > len(self.encoded):
            raise DecodeError("the data are cut short")
        elements = []
        while self.position < end:
            start = self.position
            elements.append(self.read_untagged(description, typed=typed))
            if self.position == start:
                raise DecodeError("a compact array of elements without contents")
        if self.position != end:
            raise DecodeError("the contents of a compact array do not fit its type description")
        return tuple(elements)

    def read_type_description(self, depth: int) -> Any:
        """Read a tag, for arrays and structures with the descriptions of their elements."""
        if not depth:
            raise DecodeError(f"data nested deeper than {MAX_DEPTH} levels")
        tag = self.read_tag()
        if tag == _ARRAY:
            count = int.from_bytes(self.read_octets(2), "big")
            return tag, count, self.read_type_description(depth - 1)
        if tag == _STRUCTURE:
            return tag, tuple([self.read_type_description(depth - 1) for _ in range(self.read_count())])
        if tag not in _DATA_TYPES or tag == _COMPACT_ARRAY:
            raise DecodeError(f"unknown data type {tag} in a type description")
        return tag

    def read_untagged(self, description: Any, *, typed: bool) -> Any:
        """Read one element without tags, of the type ``description``."""
        self.spend(1)
        if isinstance(description, int):
            value = self.read_scalar(description)
            return Data(_DATA_TYPES[description], value) if typed else value
        tag = description[0]
        members = [description[2]] * description[1] if tag == _ARRAY else description[1]
        elements = tuple([self.read_untagged(member, typed=typed) for member in members])
        return Data(_DATA_TYPES[tag], elements) if typed else elements
