"""Who was told of a request, for its page."""

from dataclasses import dataclass
from datetime import datetime

from django.http import HttpRequest
from django.utils.safestring import SafeString

from osgp.notifications.models import Delivery, DeliveryState
from osgp.pages.notifications.display import draw_delivery_state, show_receiver
from osgp.pages.notifications.finding import list_of_request
from osgp.pages.shared.page import get_page_url
from osgp.requests.models import Request

MOST_TOLD = 10
"""Deliveries that the page of a request names."""


@dataclass(frozen=True)
class Told:
    """One delivery. ``at`` is set once the receiver has it."""

    receiver: str
    state: SafeString
    at: datetime | None
    url: str


def describe_deliveries(request: HttpRequest, item: Request) -> list[Told]:
    """Return who was told of a request, for those who may see it. Two queries, none before its end."""
    if not item.is_final or not request.user.has_perm("notifications.view_delivery"):
        return []
    return [
        Told(
            show_receiver(row),
            draw_delivery_state(row),
            row.finished_at if row.state == DeliveryState.DELIVERED else None,
            get_page_url(Delivery, row.pk),
        )
        for row in list_of_request(item, MOST_TOLD)
    ]
