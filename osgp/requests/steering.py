"""Cancelling a request on somebody's behalf."""

from collections.abc import Iterable

from django.db import transaction

from osgp.audit.keeping import Subject, record_many
from osgp.audit.models import AuditEvent
from osgp.requests import states
from osgp.requests.models import Request


@transaction.atomic
def cancel(request: Request) -> bool:
    """Cancel a request that waits, and tell of it; return whether it waited."""
    if not states.cancel(request.pk):
        return False
    tell_cancelled([request])
    return True


def tell_cancelled(requests: Iterable[Request]) -> None:
    """Tell the audit trail of requests that were cancelled, in that transaction."""
    record_many(
        AuditEvent.REQUEST_CANCELLED,
        (
            Subject(
                request.organisation.identification,
                request.device_identification,
                request.correlation_uid,
                {"message": request.message},
            )
            for request in requests
        ),
    )
