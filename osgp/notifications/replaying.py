"""Sending deliveries again that are over, by a new schedule; receivers know them by their ids."""

from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from osgp.messages.serializers import ChoiceField, DateTimeField, StrictSerializer
from osgp.notifications import fanout, states
from osgp.notifications.endpoints import NotPossible
from osgp.notifications.models import Delivery, DeliveryState, Endpoint
from osgp.notifications.states import DeliveryTransitions

MOST_REPLAYED = 10_000
"""Deliveries in one call; a later call goes on."""
LARGEST_ID = 2**63 - 1
OVER = tuple(str(state) for state in DeliveryTransitions.REPLAY.sources)


class ReplayFields(StrictSerializer):
    """Which deliveries of an endpoint are sent again."""

    from_ = DateTimeField(help_text="Made at or after this time.")
    until = DateTimeField(help_text="Made before this time.")
    states = serializers.ListField(
        child=ChoiceField(OVER),
        min_length=1,
        max_length=len(OVER),
        default=[str(DeliveryState.FAILED)],
        help_text="In these states; FAILED by default.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Check that there is a time between both."""
        if attrs["until"] <= attrs["from"]:
            raise ValidationError({"until": ["Must be after from."]})
        return attrs


@transaction.atomic
def replay(deliveries: QuerySet[Delivery]) -> int:
    """Send those of ``deliveries`` again that are over, 10,000 at most, oldest first; return how many."""
    over = deliveries.filter(state__in=OVER).order_by("pk")
    found = dict(over.values_list("pk", "endpoint")[:MOST_REPLAYED])
    number = states.replay(Delivery.objects.filter(pk__in=list(found)))
    if number:
        fanout.wake(set(found.values()))
    return number


def replay_all(endpoint: Endpoint, since: datetime, until: datetime, among: list[str]) -> int:
    """Send again what was made in a time and is in one of some states; return how many."""
    made = Delivery.objects.filter(endpoint=endpoint, created_at__gte=since, created_at__lt=until)
    return replay(made.filter(state__in=among))


def replay_one(endpoint: Endpoint, delivery_id: int) -> Delivery | None:
    """Send one delivery of an endpoint again and return it; None if the endpoint has none of this id.

    Raises NotPossible while it waits for an attempt.
    """
    if not 0 < delivery_id <= LARGEST_ID:
        return None
    rows = Delivery.objects.filter(endpoint=endpoint, pk=delivery_id)
    if not rows.exists():
        return None
    if not replay(rows):
        raise NotPossible("It waits for an attempt.")
    return rows.get()
