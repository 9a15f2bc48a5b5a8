"""The Celery task of completeness: only a hint, on the queue ``system``."""

import time
from typing import Any

from osgp.celery import app
from osgp.completeness import rounds
from osgp.processes.database import lanes
from osgp.processes.stopping import stop

LONGEST_TASK = 60.0
"""Seconds of work in one task; the next task does the rest."""


@app.task(name="osgp.completeness.count")
def count(**_: Any) -> None:
    """Count what has come, and go on with the rounds, a slice at a time."""
    deadline = time.monotonic() + LONGEST_TASK
    while lanes.run(rounds.advance):
        if time.monotonic() > deadline or stop.is_requested:
            return
