"""Duties of dispatchers for batches and schedules."""

from osgp.batches.models import Batch, BatchState
from osgp.fleet import housekeeping, schedules, steering, tasks
from osgp.processes import duties

LOOK_EVERY = 1.0
"""Seconds between looks for requests to make or cancel, and for due occurrences."""
SETTLE_EVERY = 10.0
"""Seconds between looks for batches that are over."""


def register() -> None:
    """Register the duties, and what is deleted; called at start-up."""
    housekeeping.register()
    duties.register(duties.Duty("batches", is_due, _attend, LOOK_EVERY))
    duties.register(duties.Duty("running batches", is_running, _settle, SETTLE_EVERY))


def is_due() -> bool:
    """Return whether requests of a batch wait to be made or cancelled, or a schedule is due."""
    return (
        Batch.objects.filter(state=BatchState.CREATING).exists()
        or steering.find_batch_to_cancel() is not None
        or schedules.list_due().exists()
    )


def is_running() -> bool:
    """Return whether a batch may be over by now, cancelled ones included."""
    return Batch.objects.filter(state__in=(BatchState.RUNNING, BatchState.CANCELLING)).exists()


def _attend() -> None:
    tasks.attend.apply_async(expires=duties.HINT_LIFETIME)


def _settle() -> None:
    tasks.settle.apply_async(expires=duties.HINT_LIFETIME)
