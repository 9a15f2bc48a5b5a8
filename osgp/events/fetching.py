"""Marking events whose result was fetched: nobody has to be told of them any more."""

import uuid
from datetime import timedelta

from django.db.models.functions import Now

from osgp.events.models import Event

TOLD_FOR = timedelta(hours=26)
"""How long after an event notifications of it may still be sent: a day and a quarter of an hour, and some
time for notifiers that were away."""


def mark_fetched(subject: uuid.UUID, organisation_id: int) -> bool:
    """Note that an organisation fetched what an event tells of; return whether that is news. One UPDATE."""
    events = Event.objects.filter(subject=subject, organisation=organisation_id, fetched_at__isnull=True)
    return events.update(fetched_at=Now()) > 0
