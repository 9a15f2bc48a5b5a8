"""How long events are kept: as long as readers of the live stream may resume."""

import itertools

from django.db import transaction
from django.db.models import QuerySet

from osgp.events.models import Event
from osgp.processes import retention

KIND = "events"


def register() -> None:
    """Register what is deleted; called at start-up."""
    retention.register(retention.Kind(KIND, lambda: [_list_oldest(1)], _delete_slice))


def _list_oldest(number: int) -> QuerySet[Event]:
    """Return those of the first events that are past their retention. By position: times need no index."""
    oldest = Event.objects.filter(position__isnull=False).order_by("position").values("pk")[:number]
    return Event.objects.filter(pk__in=oldest, created_at__lt=retention.find_end("EVENT_RETENTION"))


@transaction.atomic
def _delete_slice() -> int:
    """Delete events from the first position on, without a hole: readers look there for what they missed."""
    expired = set(_list_oldest(retention.SLICE).values_list("pk", flat=True))
    first = Event.objects.filter(position__isnull=False).order_by("position")[: retention.SLICE]
    keys = list(itertools.takewhile(expired.__contains__, first.values_list("pk", flat=True)))
    return Event.objects.filter(pk__in=keys).delete()[0]
