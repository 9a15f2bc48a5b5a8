"""Duties: work of other apps that dispatchers look after beside requests.

For a duty that is due, a dispatcher sends a hint on the queue ``system``, and a worker does the work. Hints
may be lost or doubled without harm: dispatchers check again and again.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

HINT_LIFETIME = 900
"""Seconds after which a hint expires, so that none pile up while there is no worker."""


@dataclass
class Duty:
    """Work to look after: check ``is_due`` every ``every`` seconds at most, and call ``hint`` if so."""

    name: str
    is_due: Callable[[], bool]
    hint: Callable[[], object]
    every: float


_duties: dict[str, Duty] = {}


def register(duty: Duty) -> None:
    """Have dispatchers look after a duty. It replaces one of the same name."""
    _duties[duty.name] = duty


@dataclass
class Rounds:
    """The rounds of a dispatcher: when it last checked each duty."""

    looked_at: dict[str, float] = field(default_factory=dict)

    def make(self) -> None:
        """Check the duties, and send a hint for each that is due."""
        for duty in list(_duties.values()):
            now = time.monotonic()
            if now - self.looked_at.get(duty.name, float("-inf")) < duty.every:
                continue
            self.looked_at[duty.name] = now
            if duty.is_due():
                duty.hint()
