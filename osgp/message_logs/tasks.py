"""Celery tasks of message logs: only hints, on the queue ``system``."""

import time
from typing import Any

from osgp.celery import app
from osgp.message_logs import housekeeping
from osgp.processes.database import lanes
from osgp.processes.stopping import stop

LONGEST_TASK = 60.0
"""Seconds of work in one task; the next task does the rest."""


@app.task(name="osgp.message_logs.forget")
def forget(**_: Any) -> None:
    """Delete messages past their retention, a slice at a time."""
    deadline = time.monotonic() + LONGEST_TASK
    while time.monotonic() < deadline and not stop.is_requested:
        if not lanes.run(housekeeping.delete_expired):
            return
