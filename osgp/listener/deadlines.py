"""Who has been waiting since when, the longest first."""

import time
from collections import OrderedDict
from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Waits(Generic[T]):
    """Each of ``T`` with the moment since when it waits. All it does takes the same time for any number."""

    def __init__(self) -> None:
        self._since: OrderedDict[T, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._since)

    def __contains__(self, who: object) -> bool:
        return who in self._since

    def begin(self, who: T) -> None:
        """Let it wait from now on, also if it was waiting."""
        self._since[who] = time.monotonic()
        self._since.move_to_end(who)

    def end(self, who: T) -> None:
        """Let it wait no longer, if it does."""
        self._since.pop(who, None)

    def find_longest(self) -> T | None:
        """Return who has been waiting longest."""
        return next(iter(self._since), None)

    def list_all(self) -> list[T]:
        """Return all of them, who has been waiting longest first."""
        return list(self._since)

    def end_after(self, seconds: float) -> Iterator[T]:
        """Yield those that have been waiting for ``seconds``; they do not wait any longer."""
        limit = time.monotonic() - seconds
        while self._since:
            who, since = next(iter(self._since.items()))
            if since > limit:
                return
            del self._since[who]
            yield who
