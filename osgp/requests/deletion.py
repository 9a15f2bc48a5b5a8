"""Deletion of final requests by their callers."""

from collections.abc import Callable, Collection

from django.db import transaction

from osgp.audit.keeping import record
from osgp.audit.models import AuditEvent
from osgp.requests.models import FINAL_STATES, Request

Listener = Callable[[Collection[int]], None]

_listeners: list[Listener] = []


def call_before_deletion(listener: Listener) -> None:
    """Call ``listener`` with the primary keys of requests, in the transaction that deletes them."""
    if listener not in _listeners:
        _listeners.append(listener)


@transaction.atomic
def delete(request: Request) -> None:
    """Delete a final request with its actions."""
    for listener in _listeners:
        listener([request.pk])
    if Request.objects.filter(pk=request.pk, state__in=FINAL_STATES).delete()[0]:
        record(
            AuditEvent.RESPONSE_DELETED,
            device=request.device_identification,
            correlation_uid=request.correlation_uid,
            details={"message": request.message, "state": request.state},
        )
