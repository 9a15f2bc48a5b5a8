"""Deletion of deliveries past their retention, and of endpoints that nobody needs; a slice at a time."""

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now

from osgp.notifications import states
from osgp.notifications.models import Delivery, DeliveryState, Endpoint, Secret
from osgp.sql import add_to_now

SLICE = 1000
"""Rows of a kind that are deleted at a time, few enough not to hold up others."""


def clean_up() -> None:
    """Cancel what is of no use any more, and delete what is past DELIVERY_RETENTION, a slice of each."""
    states.cancel(Delivery.objects.filter(endpoint__deleted_at__isnull=False), SLICE)
    past = Q(created_at__lt=add_to_now(-settings.OSGP["DELIVERY_RETENTION"]))
    # What waits that long waits for an endpoint that is paused, or an organisation that is disabled.
    held = Q(endpoint__paused_at__isnull=False) | Q(endpoint__organisation__enabled=False)
    states.cancel(Delivery.objects.filter(past & held), SLICE)
    over = Delivery.objects.filter(past).exclude(state=DeliveryState.PENDING).order_by("created_at")
    Delivery.objects.filter(pk__in=list(over.values_list("pk", flat=True)[:SLICE])).delete()
    _delete_endpoints()
    Secret.objects.filter(expires_at__lt=Now()).delete()


@transaction.atomic
def _delete_endpoints() -> None:
    """Those that were deleted, and implicit ones, once they have no deliveries."""
    used = Exists(Delivery.objects.filter(endpoint=OuterRef("pk")))
    past = Q(created_at__lt=add_to_now(-settings.OSGP["DELIVERY_RETENTION"]))
    unused = Endpoint.objects.filter(Q(deleted_at__isnull=False) | (~Q(origin="") & past)).exclude(used)
    locked = unused.order_by("pk").select_for_update(skip_locked=True, of=("self",))
    Endpoint.objects.filter(pk__in=list(locked.values_list("pk", flat=True)[:SLICE])).delete()
