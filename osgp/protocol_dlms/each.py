"""Reading many attributes of a meter that may answer anything: a failure costs one attribute only."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from osgp.catalogue.cosem import AttributeDescriptor
from osgp.protocol_dlms.access import AccessResult
from osgp.protocol_dlms.data import Data
from osgp.protocol_dlms.errors import ExceptionResponse, IllegalResponse

MOST_EXCEPTIONS = 5
"""Single requests in a row that a meter may answer with an exception before reading ends."""
MOST_FAILURES = 4
"""Lists of about the same length that may fail before such lists are no longer requested."""

EachValue = Data | AccessResult | IllegalResponse
"""A value; the access result in its place; or the error in the answer."""

ReadList = Callable[[Sequence[AttributeDescriptor]], Sequence[EachValue] | None]
"""Reads two attributes or more in one request; None if the list failed as a whole."""
ReadOne = Callable[[AttributeDescriptor], EachValue]


def read_each(
    attributes: Sequence[AttributeDescriptor], size: int, read_list: ReadList, read_one: ReadOne
) -> Iterator[EachValue]:
    """Yield the values in order, as they arrive, from lists of at most ``size``.

    A list that fails as a whole is requested again in halves, down to single attributes, to find the cause.
    When lists of some length keep failing, neither they nor longer ones are requested again. Raises
    ExceptionResponse after more than ``MOST_EXCEPTIONS`` exception-responses in a row to single requests.
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
        """Length of the longest list that succeeded."""
        self._failures: Counter[int] = Counter()
        """Failures of longer lists, by the power of two above their length."""

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
        # An attribute that makes lists fail costs one list of each length on the way down to itself.
        power = (length - 1).bit_length()
        if length > self._longest:
            self._failures[power] += 1
            if self._failures[power] >= MOST_FAILURES:
                self.size = min(self.size, 1 << power - 1)
