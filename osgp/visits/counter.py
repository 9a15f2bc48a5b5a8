"""The invocation counter of a visit: values from blocks that the database reserved for it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from django.conf import settings

from osgp.devices import invocation_counters
from osgp.processes.database import lanes

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
            value = next(self._block)
        self.unused = value + 1
        return value

    def try_from(self, at_least: int, count: int) -> int:
        """Go on with ``count`` values that are not proven; return the one after them. Call it in a lane."""
        block = invocation_counters.try_from(self.counter_id, at_least, count)
        self.use(block)
        return block.stop

    def adopt(self, first_unused: int) -> None:
        """Go on from a value that the meter has proven to be right. Call it in a lane."""
        invocation_counters.adopt(self.counter_id, first_unused)
        self.reserve()
