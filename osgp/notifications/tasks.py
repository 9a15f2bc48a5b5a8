"""Celery tasks of notifications, on the queue ``notify``: only hints. The database says what is to be sent.

Every task accepts unknown keyword arguments, so that hints of a newer release do not break older workers.
"""

import logging
import uuid
from typing import Any

from celery.exceptions import Reject
from kombu import Producer

from osgp.celery import app
from osgp.notifications import attending, runs
from osgp.notifications.sending import Sender
from osgp.processes.database import AWAY, format_in_one_line, lanes
from osgp.processes.duties import HINT_LIFETIME
from osgp.processes.stopping import stop

logger = logging.getLogger(__name__)


@app.task(name="osgp.notifications.attend")
def attend(**_: Any) -> None:
    """Look for events and due deliveries for a while, unless another notifier does."""
    if attending.attend(_hint) and not stop.is_requested:
        attend.apply_async(expires=HINT_LIFETIME)


@app.task(name="osgp.notifications.deliver")
def deliver(endpoint_id: int, token: str, **_: Any) -> None:
    """Send what is due to one endpoint, by the run that was opened for it."""
    if stop.is_requested:
        raise Reject("this worker is about to end", requeue=True)
    sender: Sender | None = None
    try:
        run = lanes.run(runs.begin, endpoint_id, uuid.UUID(token))
        while run is not None:
            sender = sender or Sender(run)
            run = lanes.run(runs.go_on, run, sender.send())
    except AWAY as error:
        # What was sent is sent again when the run is over: receivers know it by its id.
        logger.warning("notifications could not be noted as sent: %s", format_in_one_line(error))
    finally:
        if sender is not None:
            sender.close()


def _hint(endpoint_id: int, token: uuid.UUID, producer: Producer) -> None:
    deliver.apply_async(args=(endpoint_id, str(token)), kwargsrepr="{}", producer=producer, retry=False)
