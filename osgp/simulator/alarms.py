"""What happens to meters that makes them push, on its way to whoever sends the pushes.

Anything may leave something here, from any thread. It is kept only while somebody takes it.
"""

from collections import deque
from typing import NamedTuple

MAXIMUM_NOTED = 100_000
"""Of each kind; beyond it the oldest are forgotten."""


class Raised(NamedTuple):
    """An alarm bit of a ``register`` (its tag) was set at ``moment`` (true time).

    Without a register it is the last gasp of a meter that has no bit for it.
    """

    identification: str
    register: str | None
    bit: int
    moment: float


class AlarmBox:
    """Alarms that were ``raised``, meters whose coming alarms have ``changed``, and pushes that a client has
    ``asked`` for: meter and tag of the push setup."""

    __slots__ = ("asked", "changed", "is_watched", "raised")

    def __init__(self) -> None:
        self.is_watched = False
        self.raised: deque[Raised] = deque(maxlen=MAXIMUM_NOTED)
        self.changed: deque[str] = deque(maxlen=MAXIMUM_NOTED)
        self.asked: deque[tuple[str, str]] = deque(maxlen=MAXIMUM_NOTED)

    def note_raised(self, raised: Raised) -> None:
        """An alarm bit was set."""
        if self.is_watched:
            self.raised.append(raised)

    def note_change(self, identification: str) -> None:
        """What will happen to a meter is no longer what it was."""
        if self.is_watched:
            self.changed.append(identification)

    def ask(self, identification: str, setup: str) -> None:
        """A client has invoked the method push."""
        if self.is_watched:
            self.asked.append((identification, setup))

    def clear(self) -> None:
        """Forget all of it."""
        for kept in (self.raised, self.changed, self.asked):
            kept.clear()
