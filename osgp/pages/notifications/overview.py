"""The figures of notifications on the admin's first page."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from osgp.notifications.models import Delivery, Endpoint
from osgp.pages.access import get_organisation
from osgp.pages.notifications.filters import FAILED_LATELY
from osgp.pages.notifications.finding import count_failed


def gather_notifications(request: HttpRequest) -> dict[str, Any]:
    """How many deliveries failed in 24 hours, for those who may see them; nothing if none did. One query."""
    if not request.user.has_perm("notifications.view_delivery"):
        return {}
    rows = Delivery.objects.all()
    organisation = get_organisation(request)
    if organisation is not None:
        own = Endpoint.objects.filter(organisation=organisation).order_by()
        rows = rows.filter(endpoint__in=own.values("pk"))
    failed = count_failed(rows)
    if not failed.number:
        return {}
    url = reverse("admin:notifications_delivery_changelist")
    return {"failed_deliveries": failed, "failed_deliveries_url": f"{url}?state={FAILED_LATELY}"}
