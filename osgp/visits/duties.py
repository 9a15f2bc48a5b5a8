"""Duties of dispatchers for what is past its retention."""

from osgp.processes import duties
from osgp.visits import housekeeping, tasks

LOOK_EVERY = 60.0
"""Seconds."""


def register() -> None:
    """Register the duty; called at start-up."""
    duties.register(duties.Duty("requests", housekeeping.is_due, _keep_house, LOOK_EVERY))


def _keep_house() -> None:
    tasks.keep_house.apply_async(expires=duties.HINT_LIFETIME)
