"""Celery tasks of pushes: only hints, on the queue ``push``."""

import threading
import time
from typing import Any

from osgp.alarms import decoding
from osgp.celery import app
from osgp.processes.database import lanes
from osgp.processes.stopping import stop

LONGEST_TASK = 10.0
"""Seconds of work in one task; the next one goes on, after others on the queue."""
_at_it = threading.BoundedSemaphore(2)
"""A process follows two hints at a time and drops others: all of them are about the same work."""


@app.task(name="osgp.alarms.decode")
def decode(**_: Any) -> None:
    """Decode pushes that wait, slice by slice, in a database lane."""
    if not _at_it.acquire(blocking=False):
        return
    try:
        deadline = time.monotonic() + LONGEST_TASK
        while lanes.run(decoding.decode_some):
            if stop.is_requested:
                return
            if time.monotonic() > deadline:
                decode.apply_async()
                return
    finally:
        _at_it.release()
