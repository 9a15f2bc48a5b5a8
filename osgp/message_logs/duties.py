"""Duties of dispatchers for message logs."""

from osgp.message_logs import housekeeping, tasks
from osgp.processes import duties

LOOK_EVERY = 60.0
"""Seconds."""


def register() -> None:
    """Register the duty; called at start-up."""
    duties.register(duties.Duty("message logs", housekeeping.is_due, _forget, LOOK_EVERY))


def _forget() -> None:
    tasks.forget.apply_async(expires=duties.HINT_LIFETIME)
