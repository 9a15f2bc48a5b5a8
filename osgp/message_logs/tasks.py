"""The Celery task of message logs: only a hint, on the queue ``system``."""

from typing import Any

from osgp.celery import app
from osgp.processes import retention


@app.task(name="osgp.message_logs.forget")
def forget(**_: Any) -> None:
    """Delete what is past its retention, as dispatchers of former releases ask for message logs alone."""
    retention.keep_house()
