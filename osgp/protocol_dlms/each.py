"""Reading many attributes of a meter of which anything may be expected: what one of them does costs that one
only.
"""

from collections.abc import Callable, Iterator, Sequence

from osgp.catalogue.cosem import AttributeDescriptor
from osgp.protocol_dlms.access import AccessResult
from osgp.protocol_dlms.data import Data
from osgp.protocol_dlms.errors import IllegalResponse

EachValue = Data | AccessResult | IllegalResponse
"""A value; what the meter said instead; or how its answer was no value at all."""

ReadList = Callable[[Sequence[AttributeDescriptor]], Sequence[EachValue] | None]
"""Reads two attributes or more in one request; None when the list failed as a whole."""
ReadOne = Callable[[AttributeDescriptor], EachValue]


def read_each(
    attributes: Sequence[AttributeDescriptor], size: int, read_list: ReadList, read_one: ReadOne
) -> Iterator[EachValue]:
    """The values in order, as they come in, from lists of at most ``size``.

    A list that fails as a whole is asked for again in halves, down to single attributes. When both halves of
    a failed list are fine, it was its length that the meter did not like: no longer lists are tried again.
    """
    reader = _Reader(size, read_list, read_one)
    position = 0
    while position < len(attributes):
        chunk = attributes[position : position + reader.size]
        position += len(chunk)
        values, _ = reader.read(chunk)
        yield from values


class _Reader:
    def __init__(self, size: int, read_list: ReadList, read_one: ReadOne) -> None:
        self.size = max(size, 1)
        self._read_list = read_list
        self._read_one = read_one

    def read(self, chunk: Sequence[AttributeDescriptor]) -> tuple[list[EachValue], bool]:
        """The values, and whether they came without a failure."""
        if len(chunk) == 1:
            value = self._read_one(chunk[0])
            return [value], isinstance(value, Data)
        tried = len(chunk) <= self.size
        if tried:
            values = self._read_list(chunk)
            if values is not None:
                return list(values), True
        middle = (len(chunk) + 1) // 2
        first, first_came = self.read(chunk[:middle])
        second, second_came = self.read(chunk[middle:])
        came = first_came and second_came
        if tried and came:
            self.size = min(self.size, middle)
        return first + second, came and not tried
