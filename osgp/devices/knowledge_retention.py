"""Deletes what was learned and belongs to no device any more."""

from datetime import timedelta

from django.db.models import Exists, OuterRef, QuerySet

from osgp.devices.models import Device, MeterKnowledge
from osgp.processes.retention import Kind, delete_oldest
from osgp.sql import add_to_now

KEPT_FOR = timedelta(days=1)
"""A new row has no device for a moment, and another meter often learns the same a little later."""


def find_forgotten() -> QuerySet[MeterKnowledge]:
    """Return the rows that no device refers to."""
    devices = Device.objects.filter(knowledge=OuterRef("digest"))
    return MeterKnowledge.objects.filter(~Exists(devices), created_at__lt=add_to_now(-KEPT_FOR))


FORGOTTEN_KNOWLEDGE = Kind(
    "forgotten knowledge of meters",
    lambda: [find_forgotten()],
    lambda: delete_oldest(find_forgotten(), "pk"),
)
