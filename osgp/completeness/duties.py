"""Duties of dispatchers for completeness."""

from osgp.completeness import rounds, tasks
from osgp.processes import duties

LOOK_EVERY = 5.0
"""Seconds between looks."""


def register() -> None:
    """Register the duty; called at start-up."""
    duties.register(duties.Duty("completeness", rounds.is_due, _count, LOOK_EVERY))


def _count() -> None:
    tasks.count.apply_async(expires=duties.HINT_LIFETIME)
