"""Duties of dispatchers for readings."""

from osgp.processes import duties
from osgp.readings import retention, tasks

LOOK_EVERY = 600.0
"""Seconds between looks; partitions are made a month ahead."""


def register() -> None:
    """Register the duty; called at start-up."""
    duties.register(duties.Duty("readings", retention.is_due, _keep_house, LOOK_EVERY))


def _keep_house() -> None:
    tasks.keep_house.apply_async(expires=duties.HINT_LIFETIME)
