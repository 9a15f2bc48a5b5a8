"""The attendant: one notifier at a time looks for events and for due deliveries, several times a second.

It makes deliveries of events, opens runs, and publishes a hint for each. Dispatchers see to it that there is
one (duties.py). It keeps nothing in memory: another one goes on from the database.
"""

import logging
import time
import uuid
from collections.abc import Callable
from datetime import timedelta
from functools import partial

from django.db.models import Q
from django.db.models.functions import Now
from kombu import Producer
from kombu.exceptions import OperationalError as BrokerError

from osgp.notifications import fanout, housekeeping, scheduling
from osgp.notifications.models import FanOut
from osgp.processes.database import AWAY, format_in_one_line, lanes
from osgp.processes.publishing import BulkPublisher
from osgp.processes.stopping import stop
from osgp.sql import add_to_now

logger = logging.getLogger(__name__)

LEASE = timedelta(seconds=15)
"""After this time a silent attendant is replaced."""
RENEW_EVERY = 5.0
"""Seconds."""
CLEAN_UP_EVERY = 60.0
"""Seconds; each task begins with it."""
PAUSE = 0.2
"""Seconds between two looks when there is nothing to do."""
PAUSE_AWAY = 1.0
"""Seconds before the next look when the database or the broker is away."""
LONGEST = 60.0
"""Seconds of one task; it is followed by another one."""

Hint = Callable[[int, uuid.UUID, Producer], object]
"""Publishes the hint of one run."""


def is_attended() -> bool:
    """Whether there is an attendant that gave a sign of life lately."""
    return FanOut.objects.filter(pk=fanout.ROW, attended_until__gte=Now()).exists()


def attend(hint: Hint) -> bool:
    """Be the attendant for a while; return at once, and False, if another process is."""
    own = uuid.uuid4()
    if not lanes.run(_take_over, own):
        return False
    publisher = BulkPublisher()
    renewed = began = time.monotonic()
    cleaned_up = float("-inf")
    try:
        while time.monotonic() < began + LONGEST and not stop.is_requested:
            try:
                if time.monotonic() >= renewed + RENEW_EVERY:
                    if not lanes.run(_take_over, own):
                        return True
                    renewed = time.monotonic()
                if time.monotonic() >= cleaned_up + CLEAN_UP_EVERY:
                    cleaned_up = time.monotonic()
                    lanes.run(housekeeping.clean_up)
                pause = 0.0 if _look(publisher, hint) else PAUSE
            except (*AWAY, BrokerError, OSError) as error:
                logger.warning("notifications wait: %s", format_in_one_line(error))
                pause = PAUSE_AWAY
            if pause:
                time.sleep(pause)
    finally:
        publisher.close()
        _leave(own)
    return True


def _look(publisher: BulkPublisher, hint: Hint) -> bool:
    """Do what there is to do now, a slice of it; return whether there was anything."""
    events = lanes.run(fanout.advance)
    endpoints, token = lanes.run(scheduling.open_runs)
    if endpoints:
        publisher.send_all(partial(hint, endpoint, token) for endpoint in endpoints)
    return bool(events or endpoints)


def _take_over(own: uuid.UUID) -> bool:
    FanOut.objects.get_or_create(pk=fanout.ROW)
    free = Q(attendant=own) | Q(attended_until__isnull=True) | Q(attended_until__lt=Now())
    rows = FanOut.objects.filter(free, pk=fanout.ROW)
    return bool(rows.update(attendant=own, attended_until=add_to_now(LEASE)))


def _leave(own: uuid.UUID) -> None:
    try:
        lanes.run(FanOut.objects.filter(attendant=own).update, attendant=None, attended_until=None)
    except AWAY as error:
        logger.warning("the next attendant has to wait: %s", format_in_one_line(error))
