"""The duty of dispatchers for the audit trail: that somebody seals it."""

from osgp.audit import attending, sealing, tasks
from osgp.processes import duties

LOOK_EVERY = 1.0
"""Seconds."""


def register() -> None:
    """Register the duty; called at start-up."""
    duties.register(duties.Duty("audit", is_due, _attend, LOOK_EVERY))


def is_due() -> bool:
    """Return whether there is something to seal, and nobody who does."""
    return not attending.is_attended() and sealing.has_unsealed()


def _attend() -> None:
    tasks.attend.apply_async(expires=duties.HINT_LIFETIME)
