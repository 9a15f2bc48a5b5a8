"""Heartbeats of dispatchers, in the database."""

import os
import socket
from datetime import timedelta

from django.db.models import DurationField, ExpressionWrapper, F
from django.db.models.functions import Now

from osgp.requests.models import DispatcherHeartbeat
from osgp.sql import add_to_now

SILENT_AFTER = timedelta(seconds=30)
"""A dispatcher without a heartbeat for this long counts as dead or stuck."""
FORGOTTEN_AFTER = timedelta(days=1)


def beat() -> None:
    """Store a heartbeat of the dispatcher of this process; delete those of former days."""
    name = f"{socket.gethostname()}:{os.getpid()}"[:100]
    DispatcherHeartbeat.objects.update_or_create(name=name, defaults={"beat_at": Now()})
    DispatcherHeartbeat.objects.filter(beat_at__lt=add_to_now(-FORGOTTEN_AFTER)).delete()


def find_heartbeat_age() -> timedelta | None:
    """Return the age of the latest heartbeat, by the clock of the database; None if there is none."""
    age = ExpressionWrapper(Now() - F("beat_at"), output_field=DurationField())
    latest = DispatcherHeartbeat.objects.order_by("-beat_at").annotate(age=age)
    return latest.values_list("age", flat=True).first()
