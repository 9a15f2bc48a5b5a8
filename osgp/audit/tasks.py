"""The Celery task of the audit trail: only a hint, on the queue ``system``."""

from typing import Any

from osgp.audit import attending
from osgp.celery import app
from osgp.processes.duties import HINT_LIFETIME
from osgp.processes.stopping import stop


@app.task(name="osgp.audit.attend")
def attend(**_: Any) -> None:
    """Seal the audit trail for a while, unless another worker does."""
    if attending.attend() and not stop.is_requested:
        attend.apply_async(expires=HINT_LIFETIME)
