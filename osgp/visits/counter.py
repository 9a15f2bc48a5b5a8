"""The invocation counter of a visit: values from blocks that the database reserved for it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

from django.conf import settings

from osgp.devices import invocation_counters
from osgp.processes.database import lanes
from osgp.protocol_dlms.errors import InvocationCounterExhausted

InLane = Callable[[Callable[[], None]], None]
"""Calls a function in a database lane."""


@dataclass
class ReservedCounter:
    """Hands out values of the counter of one encryption key."""

    counter_id: int
    first: int | None = None
    """First value of the latest block; None while the counter is not known."""
    unused: int = 0
    """The value after the last one that was handed out."""
    run: InLane = lanes.run
    """How the database is called."""
    _proves: int | None = None
    """The value after those that are not proven to be right, while these are handed out."""
    _block: Iterator[int] = field(default_factory=lambda: iter(()))

    def reserve(self) -> None:
        """Reserve a block before using it; do nothing while the counter is not known."""
        block = invocation_counters.reserve(self.counter_id, settings.OSGP["INVOCATION_COUNTER_BLOCK"])
        if block is not None:
            self.use(block)

    def use(self, block: range) -> None:
        """Hand out the values of this reserved block from now on; drop the rest of the former block."""
        self.first = self.unused = block.start
        self._block = iter(block)

    def take_value(self) -> int:
        """Return the value for the next ciphered APDU, from a new block if necessary."""
        value = next(self._block, None)
        if value is None:
            self.run(self.reserve)
            value = next(self._block, None)
        if value is None:
            raise InvocationCounterExhausted("no values of the invocation counter could be reserved")
        self.unused = value + 1
        return value

    def try_from(self, at_least: int, count: int) -> None:
        """Go on with ``count`` values that are not proven to be right."""
        self.run(partial(self._try_from, at_least, count))

    def keep(self) -> None:
        """Go on from the values that were tried, if any were: the meter has proven that they are right."""
        if self._proves is not None:
            self.run(self._keep)

    def drop(self) -> None:
        """Drop values that were tried and not proven, perhaps for another reason: other keys may be right."""
        self.first = None
        self._block = iter(())
        self._proves = None

    def is_known_from_before(self) -> bool:
        """Return whether a counter that is not known now was known before a restore of the database."""
        found: list[bool] = []
        self.run(lambda: found.append(invocation_counters.is_known_from_before(self.counter_id)))
        return found[-1]

    def _try_from(self, at_least: int, count: int) -> None:
        block = invocation_counters.try_from(self.counter_id, at_least, count)
        self.use(block)
        self._proves = block.stop

    def _keep(self) -> None:
        assert self._proves is not None
        invocation_counters.adopt(self.counter_id, self._proves)
        self.reserve()
        self._proves = None
