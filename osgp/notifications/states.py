"""Every change of state of deliveries, each a conditional UPDATE whose row count counts.

docs/states.md is drawn from the table.
"""

from osgp.notifications.models import DeliveryState
from osgp.state_tables import StateTable, Transition


class DeliveryTransitions(StateTable):
    """Of deliveries of notifications."""

    row = "Delivery of a notification"
    states = DeliveryState
    initial = {DeliveryState.PENDING: "an event that the endpoint or the request asks for"}

    DELIVER = Transition(
        (DeliveryState.PENDING,), DeliveryState.DELIVERED, "notifier", "the receiver answered 2xx in time"
    )
    FETCH = Transition(
        (DeliveryState.PENDING,),
        DeliveryState.FETCHED,
        "notifier",
        "the result was fetched before the next attempt",
    )
    FAIL = Transition(
        (DeliveryState.PENDING,), DeliveryState.FAILED, "notifier", "the last attempt of the schedule failed"
    )
    CANCEL = Transition(
        (DeliveryState.PENDING,),
        DeliveryState.CANCELLED,
        "organisation, notifier",
        "the endpoint was deleted, or was paused beyond the retention",
    )
    REPLAY = Transition(
        (
            DeliveryState.DELIVERED,
            DeliveryState.FAILED,
            DeliveryState.FETCHED,
            DeliveryState.CANCELLED,
        ),
        DeliveryState.PENDING,
        "organisation, operator",
        "it is to be sent again, by a new schedule",
    )
