"""Celery tasks: thin, and only hints. What is to be done, and whether it is still ours, the database says.

Every task accepts unknown keyword arguments, so that hints of a newer release do not break older workers.
"""

import uuid
from typing import Any

from celery.exceptions import Reject

from osgp.celery import app
from osgp.requests import platform_requests, visit
from osgp.requests.stopping import stop

PLATFORM_SLICE = 200
"""Platform requests per task: short slices let the workers of the queue share them."""


@app.task(name="osgp.requests.visit_meter", bind=True, Request="osgp.requests.hint_request:HintRequest")
def visit_meter(self: Any, session_id: str, token: str, **_: Any) -> None:
    """Visit the meter of a session that the dispatcher opened."""
    if stop.is_requested:
        raise Reject("this worker is about to end", requeue=True)
    visit.visit_meter(uuid.UUID(session_id), uuid.UUID(token), worker=self.request.hostname or "")


@app.task(name="osgp.requests.perform_platform_requests")
def perform_platform_requests(**_: Any) -> None:
    """Carry out due requests that need no meter."""
    if platform_requests.perform_due(PLATFORM_SLICE) == PLATFORM_SLICE:
        perform_platform_requests.apply_async()
