"""The pass over A-XDR encoded data that makes values of them, see :mod:`osgp.protocol_dlms.axdr`."""

import struct
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeVar

from osgp.protocol_dlms.axdr_types import DATA_TYPES, FIXED_OCTETS, FIXED_SIZES, NUMBERS
from osgp.protocol_dlms.budget import STEP, Budget
from osgp.protocol_dlms.data import Data, DataType, Delta, Float32
from osgp.protocol_dlms.errors import DecodeError
from osgp.protocol_dlms.type_description import (
    TypeDescription,
    describe_array,
    describe_scalar,
    describe_structure,
)

MAX_DEPTH = 16
"""Levels of arrays and structures."""
MOST_IN_PART = 4_096
"""Elements of each element of an array that is read in parts. An object with all 256 attributes and methods
that there are numbers for has 2,600."""

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
    tag: (_make_unpack(tag, number), number.size) for tag, (_, number) in NUMBERS.items()
}
_ARRAY, _STRUCTURE, _COMPACT_ARRAY = 1, 2, 19
_SCALARS = {
    tag: describe_scalar(tag, FIXED_SIZES.get(tag))
    for tag in DATA_TYPES
    if tag not in (_ARRAY, _STRUCTURE, _COMPACT_ARRAY)
}
_WITHOUT_VALUE = {
    int(data_type): Data(data_type, None) for data_type in (DataType.NULL_DATA, DataType.DONT_CARE)
}
"""Always the same: the shortest values there are."""
_CUT_SHORT = "the data are cut short"
_NO_FIT = "the contents of a compact array do not fit its type description"
_new = tuple.__new__
"""``_new(Data, (type, value))`` takes a fourth of the time of ``Data(type, value)``."""
T = TypeVar("T")


class Reader:
    """One pass over ``encoded``; ``position`` is that of the next octet."""

    __slots__ = ("budget", "encoded", "position")

    def __init__(self, encoded: bytes, start: int, budget: Budget) -> None:
        self.encoded = bytes(encoded)
        self.position = start
        self.budget = budget

    def run(self, *, typed: bool) -> tuple[Any, int]:
        """Read one value; returns it and where it ends. Raises DecodeError."""
        return self.finish(partial(self.read_typed if typed else self.read_native, MAX_DEPTH))

    def finish(self, read: Callable[[], T]) -> tuple[T, int]:
        """Return what ``read`` reads, and where it ends. Raises DecodeError."""
        try:
            value = read()
        except (IndexError, struct.error) as error:
            raise DecodeError(_CUT_SHORT) from error
        finally:
            self.budget.end_turn()
        self.budget.settle()
        return value, self.position

    def run_parts(self, take: Callable[[Iterator[Data]], T]) -> T:
        """Return what ``take`` makes of the elements of an array, which are made as it asks for them."""
        try:
            value = take(self._read_whole_parts())
        finally:
            self.budget.end_turn()
        self.budget.settle()
        return value

    def _read_whole_parts(self) -> Iterator[Data]:
        try:
            yield from self.read_parts()
        except (IndexError, struct.error) as error:
            raise DecodeError(_CUT_SHORT) from error
        if self.position != len(self.encoded):
            raise DecodeError(f"{len(self.encoded) - self.position} octets follow the data")

    def read_parts(self) -> Iterator[Data]:
        """Read the elements of an array or a compact array, each of MOST_IN_PART elements at most."""
        tag = self.read_tag()
        if tag == _ARRAY:
            read, count = partial(self.read_typed, MAX_DEPTH - 1), self.read_count()
            for _ in range(count):
                self.budget.begin_part(MOST_IN_PART)
                yield read()
        elif tag == _COMPACT_ARRAY:
            description, end = self.read_compact_head(MAX_DEPTH)
            while self.position < end:
                self.budget.begin_part(MOST_IN_PART)
                yield self.read_untagged(description, typed=True)
            if self.position != end:
                raise DecodeError(_NO_FIT)
        else:
            raise DecodeError("the data are not an array")
        self.budget.end_parts()

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
            raise DecodeError(_CUT_SHORT)
        value = int.from_bytes(self.encoded[self.position : end], "big")
        self.position = end
        return value

    def read_count(self) -> int:
        """Read a number of elements, which must lie within the input: each has one octet at least."""
        count = self.encoded[self.position]
        if count < 0x80:
            self.position += 1
        else:
            count = self.read_length()
        if count > len(self.encoded) - self.position:
            raise DecodeError(f"{count} elements announced, more than there are octets")
        self.budget.spend(count)
        return count

    def read_octets(self, size: int) -> bytes:
        start = self.position
        end = start + size
        if end > len(self.encoded):
            raise DecodeError(_CUT_SHORT)
        self.position = end
        return self.encoded[start:end]

    def read_tag(self) -> int:
        tag = self.encoded[self.position]
        self.position += 1
        return tag

    def read_native(self, depth: int) -> Any:
        """Read the next value, without types."""
        tag = self.read_tag()
        if tag in (_STRUCTURE, _ARRAY):
            depth, count = _go_down(depth), self.read_count()
            if count > STEP:
                return self.read_many(partial(self.read_native, depth), count)
            return tuple(self.read_native_elements(count, depth))
        if tag == _COMPACT_ARRAY:
            return self.read_compact_array(depth, typed=False)
        return self.read_scalar(tag)

    def read_native_elements(self, count: int, depth: int) -> list[Any]:
        """Read values. Types that are frequent in profile buffers come first, without a call."""
        encoded = self.encoded
        elements = []
        for _ in range(count):
            position = self.position
            tag = encoded[position]
            number = _UNPACK.get(tag)
            if number is not None:
                self.position = position + 1 + number[1]
                elements.append(number[0](encoded, position + 1)[0])
            elif tag == 9 and (size := encoded[position + 1]) < 0x80:
                self.position = end = position + 2 + size
                if end > len(encoded):
                    raise DecodeError(_CUT_SHORT)
                elements.append(encoded[position + 2 : end])
            elif tag == 0:
                self.position = position + 1
                elements.append(None)
            else:
                elements.append(self.read_native(depth))
        return elements

    def read_typed(self, depth: int) -> Data:
        """Read the next value with its type."""
        tag = self.read_tag()
        if tag in (_STRUCTURE, _ARRAY):
            depth, count = _go_down(depth), self.read_count()
            if count > STEP:
                elements = self.read_many(partial(self.read_typed, depth), count)
            else:
                elements = tuple(self.read_typed_elements(count, depth))
            return _new(Data, (DATA_TYPES[tag], elements))
        if tag == _COMPACT_ARRAY:
            return Data(DataType.ARRAY, self.read_compact_array(depth, typed=True))
        return self.read_typed_scalar(tag)

    def read_entries(self, is_entry: Callable[[Data], bool], most_others: int) -> Data:
        """Read a value with its type, which should be an array of entries; as it is if it is none.

        Raises DecodeError after more than so many elements in a row that are no entries: whoever sends them
        has none, and the rest is not made.
        """
        if self.encoded[self.position] not in (_ARRAY, _COMPACT_ARRAY):
            return self.read_typed(MAX_DEPTH)
        elements: list[Data] = []
        others = 0
        for element in self.read_parts():
            elements.append(element)
            others = 0 if is_entry(element) else others + 1
            if others > most_others:
                raise DecodeError(f"{others} elements in a row are not what the array should have")
        return Data(DataType.ARRAY, tuple(elements))

    def read_typed_elements(self, count: int, depth: int) -> list[Data]:
        """Read values with their types, numbers without a call."""
        encoded = self.encoded
        elements = []
        for _ in range(count):
            position = self.position
            tag = encoded[position]
            number = _UNPACK.get(tag)
            if number is None:
                elements.append(self.read_typed(depth))
            else:
                self.position = position + 1 + number[1]
                elements.append(_new(Data, (DATA_TYPES[tag], number[0](encoded, position + 1)[0])))
        return elements

    def read_typed_scalar(self, tag: int) -> Data:
        """Read a value of the type ``tag``, after its tag; not for arrays and structures."""
        data = _WITHOUT_VALUE.get(tag)
        if data is not None:
            return data
        value = self.read_scalar(tag)
        return _new(Data, (DATA_TYPES[tag], value))

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
        if tag in FIXED_OCTETS:
            return self.read_octets(FIXED_OCTETS[tag])
        if tag == DataType.BIT_STRING:
            return self.read_bits()
        raise DecodeError(f"unknown data type {tag}")

    def read_bits(self) -> str:
        count = self.read_length()
        octets = self.read_octets((count + 7) // 8)
        self.budget.spend_bits(count)
        return f"{int.from_bytes(octets, 'big'):0{8 * len(octets)}b}"[:count]

    def read_compact_array(self, depth: int, *, typed: bool) -> tuple[Any, ...]:
        """Read the elements of a compact array: one type description, then contents without tags."""
        description, end = self.read_compact_head(depth)
        elements = []
        while self.position < end:
            elements.append(self.read_untagged(description, typed=typed))
        if self.position != end:
            raise DecodeError(_NO_FIT)
        return tuple(elements)

    def read_compact_head(self, depth: int) -> tuple[TypeDescription, int]:
        """Read the type description of a compact array; return it, and the position of the array's end.

        Raises DecodeError, before any element is made, if they would be too many.
        """
        description = self.read_type_description(_go_down(depth))
        size = self.read_length()
        end = self.position + size
        if end > len(self.encoded):
            raise DecodeError(_CUT_SHORT)
        if size and not description.octets:
            raise DecodeError("a compact array of elements without contents")
        if size and description.is_fixed:
            # All of them, before the first is made.
            count, rest = divmod(size, description.octets)
            if rest:
                raise DecodeError(_NO_FIT)
            self.budget.check(count * description.elements)
        return description, end

    def read_type_description(self, depth: int) -> TypeDescription:
        """Read a tag, for arrays and structures with the descriptions of their elements."""
        depth = _go_down(depth)
        tag = self.read_tag()
        if tag == _ARRAY:
            count = int.from_bytes(self.read_octets(2), "big")
            return describe_array(tag, count, self.read_type_description(depth))
        if tag == _STRUCTURE:
            members = self.read_many(partial(self.read_type_description, depth), self.read_count())
            return describe_structure(tag, members)
        if tag not in _SCALARS:
            raise DecodeError(f"unknown data type {tag} in a type description")
        return _SCALARS[tag]

    def read_untagged(self, description: TypeDescription, *, typed: bool) -> Any:
        """Read one element without tags, of the type ``description``, once there is budget for all of it."""
        self.budget.spend(description.elements)
        return self.make_untagged(description, typed)

    def make_untagged(self, description: TypeDescription, typed: bool) -> Any:
        tag = description.tag
        if tag == _ARRAY:
            member = description.members[0]
            elements = self.read_many(partial(self.make_untagged, member, typed), description.length)
        elif tag == _STRUCTURE:
            elements = tuple([self.make_untagged(member, typed) for member in description.members])
        else:
            return self.read_typed_scalar(tag) if typed else self.read_scalar(tag)
        return _new(Data, (DATA_TYPES[tag], elements)) if typed else elements

    def read_many(self, read: Callable[[], T], count: int) -> tuple[T, ...]:
        """Return what ``read`` returns ``count`` times. Gives way to others if those are many."""
        if count <= STEP:
            return tuple([read() for _ in range(count)])
        elements: list[T] = []
        while len(elements) < count:
            self.budget.give_way()
            elements += [read() for _ in range(min(STEP, count - len(elements)))]
        return tuple(elements)


def _go_down(depth: int) -> int:
    """The levels below one of ``depth`` further levels. Raises DecodeError if there may be none."""
    if not depth:
        raise DecodeError(f"data nested deeper than {MAX_DEPTH} levels")
    return depth - 1
