"""Celery tasks of batches: only hints, on the queue ``system``. What there is to do, the database says."""

import time
from typing import Any

from osgp.celery import app
from osgp.fleet import creation, recurring, steering
from osgp.processes.database import lanes
from osgp.processes.stopping import stop

LONGEST_TASK = 60.0
"""Seconds of work in one task; what is left then is the next one's."""


@app.task(name="osgp.batches.attend")
def attend(**_: Any) -> None:
    """Make due occurrences, make requests of batches, cancel requests of batches: a slice at a time."""
    deadline = time.monotonic() + LONGEST_TASK
    lanes.run(recurring.create_due)
    failed: set[int] = set()
    cancelled: set[int] = set()
    while time.monotonic() < deadline and not stop.is_requested:
        if not (_create(failed) or _cancel(cancelled)):
            return
    attend.apply_async()


@app.task(name="osgp.batches.settle")
def settle(**_: Any) -> None:
    """Notice batches that are over, and forget those past their retention."""
    lanes.run(steering.settle)
    lanes.run(steering.delete_expired)


@app.task(name="osgp.batches.create_occurrences")
def create_occurrences(recurring_id: int | None = None, **_: Any) -> None:
    """Beat's hint that a recurring request is due; ``recurring_id`` is for people who look at the task."""
    lanes.run(recurring.create_due)


def _create(failed: set[int]) -> bool:
    try:
        return lanes.run(creation.create_slice, failed)
    except creation.BatchFailed as error:
        failed.add(error.batch_id)
        return True


def _cancel(done: set[int]) -> bool:
    batch_id = lanes.run(steering.cancelling, done)
    if batch_id is None:
        return False
    if not lanes.run(steering.cancel_slice, batch_id):
        # What still waits is in somebody's hands at this moment; the next task looks again.
        done.add(batch_id)
    return True
