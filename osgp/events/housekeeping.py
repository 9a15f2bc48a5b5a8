"""How long events are kept: as long as readers of the live stream may resume."""

from django.db import transaction
from django.db.models import QuerySet

from osgp.events.models import Event
from osgp.processes import retention

KIND = "events"


def register() -> None:
    """Register what is deleted; called at start-up."""
    retention.register(retention.Kind(KIND, lambda: [_list_oldest(1)], _delete_slice))


def _list_oldest(number: int) -> QuerySet[Event]:
    """Return those of the oldest events that are past their retention. By their keys: times need no index."""
    oldest = Event.objects.order_by("pk").values("pk")[:number]
    return Event.objects.filter(pk__in=oldest, created_at__lt=retention.find_end("EVENT_RETENTION"))


@transaction.atomic
def _delete_slice() -> int:
    expired = _list_oldest(retention.SLICE).select_for_update(skip_locked=True)
    keys = list(expired.values_list("pk", flat=True))
    return Event.objects.filter(pk__in=keys).delete()[0]
