"""Endpoints and deliveries that tests need, put in place without the checks of their way in."""

import uuid
from datetime import timedelta
from typing import Any

from django.utils import timezone

from osgp.accounts.models import Organisation
from osgp.notifications.models import Delivery, Endpoint


def make_endpoint(
    organisation: Organisation, url: str = "https://receiver.example/hook", **fields: Any
) -> Endpoint:
    """A registered endpoint that wants all events; it has no secret yet."""
    moment = timezone.now() - timedelta(seconds=10)
    return Endpoint.objects.create(organisation=organisation, url=url, **{"created_at": moment} | fields)


def make_delivery(endpoint: Endpoint, **fields: Any) -> Delivery:
    """A delivery that is due, of a request that succeeded."""
    now = timezone.now() - timedelta(seconds=1)
    subject = fields.pop("subject", None) or uuid.uuid4()
    data = {
        "correlation_uid": str(subject),
        "device_identification": "SIME1",
        "message": "SynchronizeTime",
        "status": "SUCCEEDED",
    }
    delivery = Delivery.objects.create(
        endpoint=endpoint,
        subject=subject,
        **{
            "kind": "request.completed",
            "device_identification": "SIME1",
            "data": data,
            "begun_at": now,
            "due_at": now,
            "created_at": now,
        }
        | fields,
    )
    Endpoint.objects.filter(pk=endpoint.pk).update(wake_at=delivery.due_at)
    return delivery
