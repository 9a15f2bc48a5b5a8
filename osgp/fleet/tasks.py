"""Celery tasks of batches: only hints, on the queue ``system``. The database decides what there is to do."""

import time
from typing import Any

from osgp.celery import app
from osgp.fleet import creation, schedules, steering
from osgp.processes.database import lanes
from osgp.processes.stopping import stop

LONGEST_TASK = 60.0
"""Seconds of work in one task; the next task does the rest."""


@app.task(name="osgp.batches.attend")
def attend(**_: Any) -> None:
    """Make due occurrences, make requests of batches, cancel requests of batches: a slice at a time."""
    deadline = time.monotonic() + LONGEST_TASK
    lanes.run(schedules.create_due)
    failed: set[int] = set()
    cancelled: set[int] = set()
    while time.monotonic() < deadline and not stop.is_requested:
        if not (_create(failed) or _cancel(cancelled)):
            return
    attend.apply_async()


@app.task(name="osgp.batches.settle")
def settle(**_: Any) -> None:
    """Settle batches that are over."""
    lanes.run(steering.settle)


@app.task(name="osgp.batches.create_occurrences")
def create_occurrences(recurring_id: int | None = None, **_: Any) -> None:
    """Make what is due at beat's hint; ``recurring_id`` is for people who look at the periodic task."""
    lanes.run(schedules.create_due)


def _create(failed: set[int]) -> bool:
    try:
        return lanes.run(creation.create_slice, failed)
    except creation.BatchFailed as error:
        failed.add(error.batch_id)
        return True


def _cancel(done: set[int]) -> bool:
    batch_id = lanes.run(steering.find_batch_to_cancel, done)
    if batch_id is None:
        return False
    if not lanes.run(steering.cancel_slice, batch_id):
        # Another process holds what still waits; the next task looks again.
        done.add(batch_id)
    return True
