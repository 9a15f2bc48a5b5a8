"""Cancelling a request on somebody's behalf."""

from django.db import transaction

from osgp.audit.keeping import record
from osgp.audit.models import AuditEvent
from osgp.requests import states
from osgp.requests.models import Request


@transaction.atomic
def cancel(request: Request) -> bool:
    """Cancel a request that waits, and tell of it; return whether it waited."""
    if not states.cancel(request.pk):
        return False
    tell_cancelled(request)
    return True


def tell_cancelled(request: Request) -> None:
    """Tell the audit trail of a request that was cancelled, in that transaction."""
    record(
        AuditEvent.REQUEST_CANCELLED,
        organisation=request.organisation.identification,
        device=request.device_identification,
        correlation_uid=request.correlation_uid,
        details={"message": request.message},
    )
