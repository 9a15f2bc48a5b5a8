"""The Celery task of readings: only a hint, on the queue ``system``."""

import time
from typing import Any

from osgp.celery import app
from osgp.processes.database import lanes
from osgp.processes.stopping import stop
from osgp.readings import retention

LONGEST_TASK = 60.0
"""Seconds of work in one task; the next task does the rest."""


@app.task(name="osgp.readings.keep_house")
def keep_house(**_: Any) -> None:
    """Make partitions ahead and delete what is past its retention, a slice at a time."""
    deadline = time.monotonic() + LONGEST_TASK
    while lanes.run(retention.keep_house):
        if time.monotonic() > deadline or stop.is_requested:
            return
