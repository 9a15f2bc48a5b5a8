"""Endpoints and deliveries as JSON, for the REST API and the command line."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.urls import reverse

from osgp.accounts.models import Organisation
from osgp.messages.serializers import utc_text
from osgp.notifications import secrets
from osgp.notifications.models import Delivery, DeliveryState, Endpoint, Secret

PENDING_COUNTED = 10_000
"""Deliveries that wait are counted up to here."""


def describe_endpoint(endpoint: Endpoint) -> dict[str, Any]:
    """An endpoint with its health; without its secret."""
    pending = endpoint.deliveries.filter(state=DeliveryState.PENDING).order_by()
    return {
        "uid": str(endpoint.uid),
        "url": endpoint.url,
        "description": endpoint.description,
        "kinds": endpoint.kinds,
        "messages": endpoint.messages,
        "statuses": endpoint.statuses,
        "created_at": utc_text(endpoint.created_at),
        "paused_at": _write(endpoint.paused_at),
        "pause_reason": endpoint.pause_reason,
        "consecutive_failures": endpoint.consecutive_failures,
        "retry_at": _write(endpoint.retry_at),
        "last_success_at": _write(endpoint.last_success_at),
        "last_failure_at": _write(endpoint.last_failure_at),
        "last_status": endpoint.last_status,
        "last_error": endpoint.last_error,
        "pending": pending[:PENDING_COUNTED].count(),
        "resource": reverse("webhook-endpoint", args=[endpoint.uid]),
    }


def describe_new_endpoint(endpoint: Endpoint, secret: str) -> dict[str, Any]:
    """An endpoint that was registered, with its secret: the only time that it is shown."""
    return {**describe_endpoint(endpoint), "secret": secret}


def describe_secrets(organisation: Organisation, endpoint: Endpoint | None = None) -> dict[str, Any]:
    """When secrets were made, and when former ones end; not what they are."""
    rows: Iterable[Secret] = secrets.list_valid(organisation.pk, endpoint)
    return {
        "secrets": [
            {"created_at": utc_text(row.created_at), "expires_at": _write(row.expires_at)} for row in rows
        ]
    }


def describe_delivery(delivery: Delivery) -> dict[str, Any]:
    """A delivery with its last attempts."""
    is_over = delivery.state != DeliveryState.PENDING
    return {
        "id": delivery.pk,
        "webhook_id": delivery.message_id,
        "type": delivery.kind,
        "device_identification": delivery.device_identification or None,
        "data": delivery.data,
        "state": delivery.state,
        "attempts": delivery.attempts,
        # A test is due before it was made, to go first.
        "next_attempt_at": None if is_over else utc_text(max(delivery.due_at, delivery.created_at)),
        "created_at": utc_text(delivery.created_at),
        "finished_at": _write(delivery.finished_at),
        "log": delivery.log,
    }


def _write(moment: datetime | None) -> str | None:
    return None if moment is None else utc_text(moment)
