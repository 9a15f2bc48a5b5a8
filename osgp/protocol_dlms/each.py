"""Requests that name many attributes, to a meter that may answer anything: a failure costs one of them.

A list that fails as a whole is requested again in halves, down to single attributes. What is learned on the
way of how long lists may be holds for the rest of the association, and is told to the caller.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar

from osgp.protocol_dlms.access import AccessResult
from osgp.protocol_dlms.data import Data
from osgp.protocol_dlms.errors import IllegalResponse

MOST_FAILURES = 4
"""Lists of about the same length that may fail before such lists are no longer requested."""
MOST_SENSELESS = 32
"""Single attributes in a row whose answers may make no sense, before no more are requested."""

EachValue = Data | AccessResult | IllegalResponse
"""A value; the access result in its place; or the error in the answer."""

Item = TypeVar("Item")
Result = TypeVar("Result")


class ListSize:
    """How many attributes one request may name: ``most`` at first, fewer once the meter takes no such lists.

    That is known when a list failed and both its halves, lists as well, came: an attribute that spoils lists
    would have spoiled one of them. Or when lists of about the same length failed ``MOST_FAILURES`` times, and
    none that long ever came.
    """

    def __init__(self, most: int) -> None:
        self.most = max(most, 1)
        self.size = self.most
        self._longest = 0
        """Length of the longest list that came; 1 is a single attribute."""
        self._failures: Counter[int] = Counter()
        """Failures of longer lists, by the power of two above their length."""

    @property
    def learned(self) -> int | None:
        """The length that works, if longer lists were found not to; None while nothing is known."""
        return self.size if self.size < self.most and self._longest >= self.size else None

    def note_success(self, length: int) -> None:
        """A list of that length, or a single attribute (1), was answered."""
        if length > self._longest:
            self._longest = length

    def note_failure(self, length: int) -> None:
        """A list of that length failed as a whole."""
        # An attribute that makes lists fail costs one list of each length on the way down to itself.
        power = (length - 1).bit_length()
        if length > self._longest:
            self._failures[power] += 1
            if self._failures[power] >= MOST_FAILURES:
                self._limit(1 << power - 1)

    def note_halves(self, length: int) -> None:
        """Both halves of a list that had failed came as lists, the longer of ``length`` attributes."""
        self._limit(length)

    def _limit(self, size: int) -> None:
        self.size = min(self.size, size)


class ListRequests(Generic[Item, Result]):
    """Requests for many items, each answered with a result.

    ``request_list`` requests two items or more at once, and returns None if that failed as a whole and may be
    done in parts; ``request_one`` is for one.
    """

    def __init__(
        self,
        size: ListSize,
        request_list: Callable[[Sequence[Item]], Sequence[Result] | None],
        request_one: Callable[[Item], Result],
    ) -> None:
        self._size = size
        self._request_list = request_list
        self._request_one = request_one
        self._senseless = 0
        """Single items in a row that gave an error."""

    def request(self, items: Sequence[Item], fitting: int) -> Iterator[Result]:
        """Yield the results in order, as they arrive, from lists of at most ``fitting`` items.

        Raises the error of MOST_SENSELESS single items in a row.
        """
        position = 0
        while position < len(items):
            chunk = items[position : position + max(min(self._size.size, fitting), 1)]
            position += len(chunk)
            yield from self._request(chunk)[0]

    def _request(self, chunk: Sequence[Item]) -> tuple[list[Result], bool]:
        """Return the results, and whether they came as one list."""
        size = self._size
        if len(chunk) == 1:
            result = self._request_one(chunk[0])
            if isinstance(result, IllegalResponse):
                self._senseless += 1
                if self._senseless >= MOST_SENSELESS:
                    raise result
            else:
                self._senseless = 0
                size.note_success(1)
            return [result], False
        failed = False
        if len(chunk) <= size.size:
            results = self._request_list(chunk)
            if results is not None:
                size.note_success(len(chunk))
                return list(results), True
            failed = True
            size.note_failure(len(chunk))
        middle = (len(chunk) + 1) // 2
        first, first_came = self._request(chunk[:middle])
        second, second_came = self._request(chunk[middle:])
        if failed and first_came and second_came:
            size.note_halves(middle)
        return first + second, False
