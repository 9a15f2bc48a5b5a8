"""Duties of dispatchers for what is past its retention, and for the mark of an SQLite database."""

from osgp.devices import mark_file
from osgp.processes import duties, retention
from osgp.visits import housekeeping, tasks

LOOK_EVERY = 60.0
"""Seconds."""


def register() -> None:
    """Register the duties, and what visits leave behind; called at start-up."""
    housekeeping.register()
    duties.register(duties.Duty("retention", retention.is_due, _keep_house, LOOK_EVERY))
    duties.register(duties.Duty("database mark", mark_file.is_used, _renew_mark, LOOK_EVERY))


def _keep_house() -> None:
    tasks.keep_house.apply_async(expires=duties.HINT_LIFETIME)


def _renew_mark() -> None:
    tasks.renew_database_mark.apply_async(expires=duties.HINT_LIFETIME)
