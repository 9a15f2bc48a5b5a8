"""Celery tasks. They are only hints: the database says what there is to do and who may do it.

Every task accepts unknown keyword arguments, so that hints of a newer release do not break older workers.
"""

import threading
import uuid
from typing import Any

from celery.exceptions import Reject

from osgp.celery import app
from osgp.processes import retention
from osgp.processes.database import lanes
from osgp.processes.stopping import stop
from osgp.visits import platform_requests, restores, visit

PLATFORM_STROKE = 20
"""Platform requests carried out in a database lane at a time: visits need the lanes, too."""
PLATFORM_STROKES = 10
"""Strokes per task: short tasks let the workers of the queue share the work."""
_at_platform_requests = threading.BoundedSemaphore(2)
"""A process follows two hints at a time and drops others: all of them are about the same work."""


@app.task(name="osgp.requests.visit_meter", bind=True, Request="osgp.visits.hint_request:HintRequest")
def visit_meter(self: Any, session_id: str, token: str, **_: Any) -> None:
    """Visit the meter of a meter session that a dispatcher opened."""
    if stop.is_requested:
        raise Reject("this worker is about to end", requeue=True)
    priority = (self.request.delivery_info or {}).get("priority")
    visit.visit_meter(
        uuid.UUID(session_id), uuid.UUID(token), worker=self.request.hostname or "", priority=priority or 0
    )


@app.task(name="osgp.requests.perform_platform_requests")
def perform_platform_requests(**_: Any) -> None:
    """Carry out due requests that need no meter, a few at a time, in a database lane."""
    if not _at_platform_requests.acquire(blocking=False):
        return
    try:
        for _stroke in range(PLATFORM_STROKES):
            if lanes.run(platform_requests.perform_due, PLATFORM_STROKE) < PLATFORM_STROKE:
                return
    finally:
        _at_platform_requests.release()
    perform_platform_requests.apply_async()


@app.task(name="osgp.requests.keep_house")
def keep_house(**_: Any) -> None:
    """Delete what is past its retention (osgp/processes/retention.py)."""
    retention.keep_house()


@app.task(name="osgp.requests.renew_database_mark")
def renew_database_mark(**_: Any) -> None:
    """Renew the mark of an SQLite database, by which one that was copied back is known."""
    lanes.run(restores.renew_mark)
