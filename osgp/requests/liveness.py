"""Whether dispatchers are at work, as the database knows it."""

import os
import socket
from datetime import timedelta

from django.db.models import DurationField, ExpressionWrapper, F
from django.db.models.functions import Now

from osgp.requests.models import DispatcherHeartbeat
from osgp.sql import add_to_now

SILENT_AFTER = timedelta(seconds=30)
"""A dispatcher that was not seen for this long is taken to be dead or stuck."""
FORGOTTEN_AFTER = timedelta(days=1)


def beat() -> None:
    """Say that the dispatcher of this process goes its rounds."""
    name = f"{socket.gethostname()}:{os.getpid()}"[:100]
    DispatcherHeartbeat.objects.update_or_create(name=name, defaults={"beat_at": Now()})
    DispatcherHeartbeat.objects.filter(beat_at__lt=add_to_now(-FORGOTTEN_AFTER)).delete()


def find_heartbeat_age() -> timedelta | None:
    """How long ago the most recent dispatcher was seen, by the database's clock; None: never."""
    age = ExpressionWrapper(Now() - F("beat_at"), output_field=DurationField())
    latest = DispatcherHeartbeat.objects.order_by("-beat_at").annotate(age=age)
    return latest.values_list("age", flat=True).first()
