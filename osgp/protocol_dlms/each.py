"""Reading many attributes of a meter of which anything may be expected: what one of them does costs that one
only.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from osgp.catalogue.cosem import AttributeDescriptor
from osgp.protocol_dlms.access import AccessResult
from osgp.protocol_dlms.data import Data
from osgp.protocol_dlms.errors import ExceptionResponse, IllegalResponse

MOST_EXCEPTIONS = 5
"""Single requests in a row that a meter may answer with an exception before it must be taken for lost."""
MOST_FAILURES = 4
"""Lists of about the same length that may fail before such lists are not tried any more."""

EachValue = Data | AccessResult | IllegalResponse
"""A value; what the meter said instead; or how its answer was no value at all."""

ReadList = Callable[[Sequence[AttributeDescriptor]], Sequence[EachValue] | None]
"""Reads two attributes or more in one request; None when the list failed as a whole."""
ReadOne = Callable[[AttributeDescriptor], EachValue]


def read_each(
    attributes: Sequence[AttributeDescriptor], size: int, read_list: ReadList, read_one: ReadOne
) -> Iterator[EachValue]:
    """The values in order, as they come in, from lists of at most ``size``.

    A list that fails as a whole is asked for again in halves, down to single attributes, to find out what it
    was. When lists of some length keep failing, neither they nor longer ones are tried any more. Raises
    ExceptionResponse when a meter has nothing else to say to single requests any more.
    """
    reader = _Reader(size, read_list, read_one)
    position = 0
    while position < len(attributes):
        chunk = attributes[position : position + reader.size]
        position += len(chunk)
        yield from reader.read(chunk)


class _Reader:
    def __init__(self, size: int, read_list: ReadList, read_one: ReadOne) -> None:
        self.size = max(size, 1)
        self._read_list = read_list
        self._read_one = read_one
        self._exceptions = 0
        self._longest = 0
        """List that came."""
        self._failures: Counter[int] = Counter()
        """Of lists longer than that, by the power of two that their length is below."""

    def read(self, chunk: Sequence[AttributeDescriptor]) -> list[EachValue]:
        if len(chunk) == 1:
            return [self._read_single(chunk[0])]
        if len(chunk) <= self.size:
            values = self._read_list(chunk)
            if values is not None:
                self._longest = max(self._longest, len(chunk))
                return list(values)
            self._count_failure(len(chunk))
        middle = (len(chunk) + 1) // 2
        return self.read(chunk[:middle]) + self.read(chunk[middle:])

    def _read_single(self, attribute: AttributeDescriptor) -> EachValue:
        value = self._read_one(attribute)
        if not isinstance(value, ExceptionResponse):
            self._exceptions = 0
            return value
        self._exceptions += 1
        if self._exceptions > MOST_EXCEPTIONS:
            raise value
        return value

    def _count_failure(self, length: int) -> None:
        # Each attribute that spoils lists fails one list of each length on the way down to itself.
        power = (length - 1).bit_length()
        if length > self._longest:
            self._failures[power] += 1
            if self._failures[power] >= MOST_FAILURES:
                self.size = min(self.size, 1 << power - 1)
