"""Which invocation counters have been used: none may ever come back with the same key."""

from bisect import bisect_right

MAXIMUM_INTERVALS = 256
MAXIMUM_REPEATED = 1_000


class UsedCounters:
    """The counters that one key has protected something with, kept as intervals.

    Clients count upwards, so there are few intervals; beyond :data:`MAXIMUM_INTERVALS` the two oldest are
    joined.
    """

    __slots__ = ("_ends", "_starts", "repeated")

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        self.repeated: list[int] = []

    @property
    def highest(self) -> int:
        """The highest counter so far; -1 before the first."""
        return self._ends[-1] if self._ends else -1

    def use(self, counter: int) -> bool:
        """Note that ``counter`` was used; False, and noted in ``repeated``, if it had been used before."""
        starts, ends = self._starts, self._ends
        if ends and counter == ends[-1] + 1:
            ends[-1] = counter
            return True
        index = bisect_right(starts, counter)
        if index and counter <= ends[index - 1]:
            if len(self.repeated) < MAXIMUM_REPEATED:
                self.repeated.append(counter)
            return False
        starts.insert(index, counter)
        ends.insert(index, counter)
        if index + 1 < len(starts) and starts[index + 1] == counter + 1:
            ends[index] = ends.pop(index + 1)
            del starts[index + 1]
        if index and ends[index - 1] + 1 == counter:
            ends[index - 1] = ends.pop(index)
            del starts[index]
        if len(starts) > MAXIMUM_INTERVALS:
            del ends[0], starts[1]
        return True

    def start_again(self) -> None:
        """There is a new key: no counter has been used with it yet."""
        self._starts.clear()
        self._ends.clear()
