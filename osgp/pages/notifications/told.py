"""Who was told of a request or an alarm, for its page."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.http import HttpRequest
from django.utils.safestring import SafeString

from osgp.notifications.models import Delivery, DeliveryState
from osgp.pages.access import get_organisation
from osgp.pages.notifications.display import draw_delivery_state, show_receiver
from osgp.pages.notifications.finding import find_by_subject, list_deliveries
from osgp.pages.shared.page import get_page_url

MOST_TOLD = 10
"""Deliveries that such a page names."""


@dataclass(frozen=True)
class Told:
    """One delivery. ``at`` is set once the receiver has it."""

    receiver: str
    state: SafeString
    at: datetime | None
    url: str


def describe_deliveries(request: HttpRequest, subject: UUID) -> list[Told]:
    """Return who was told of a request or an alarm, for those who may see it. Two queries at most."""
    if not request.user.has_perm("notifications.view_delivery"):
        return []
    rows = find_by_subject(list_deliveries(get_organisation(request)), subject)
    return [
        Told(
            show_receiver(row),
            draw_delivery_state(row),
            row.finished_at if row.state == DeliveryState.DELIVERED else None,
            get_page_url(Delivery, row.pk),
        )
        for row in rows.select_related("endpoint").order_by("created_at", "pk")[:MOST_TOLD]
    ]
