"""What dispatchers look after beside requests: other apps say when there is something, and hint at it.

A duty is told of by a hint on the queue ``system``, so that its work is done by workers. As with all hints,
one that is lost or doubled does no harm: whether there is work is looked up again and again.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

HINT_LIFETIME = 900
"""Seconds after which a hint that nobody took up is dropped, so that none pile up while there is no worker.

Workers go by their own clocks, which may be off by minutes: to one that is fast, hints that live for less
than that would all be too old.
"""


@dataclass
class Duty:
    """``hint`` is called when ``is_due()``, which is asked every ``every`` seconds at most."""

    name: str
    is_due: Callable[[], bool]
    hint: Callable[[], object]
    every: float


_duties: dict[str, Duty] = {}


def register(duty: Duty) -> None:
    """Have dispatchers look after it; a later one of the same name takes its place."""
    _duties[duty.name] = duty


@dataclass
class Rounds:
    """When a dispatcher last looked after each duty."""

    looked_at: dict[str, float] = field(default_factory=dict)

    def make(self) -> None:
        """Give a hint for each duty that is due."""
        for duty in list(_duties.values()):
            now = time.monotonic()
            if now - self.looked_at.get(duty.name, float("-inf")) < duty.every:
                continue
            self.looked_at[duty.name] = now
            if duty.is_due():
                duty.hint()
