"""Due requests, as dispatchers, visits and platform requests select them."""

from typing import Any

from django.db.models import F, QuerySet
from django.db.models.functions import Now

from osgp.requests.models import OF_AN_ORGANISATION, OF_ANY_METER, Request, RequestState

DUE_STATES = (RequestState.QUEUED, RequestState.RETRYING)


def find_due_requests() -> QuerySet[Request]:
    """Return the requests that wait and may be carried out now, most urgent first.

    To be filtered by their meter, as PostgreSQL has no index of all of them for this.
    """
    return (
        Request.objects.filter(state__in=DUE_STATES, due_at__lte=Now())
        .exclude(max_schedule_time__lt=Now())
        .order_by(F("effective_priority").desc(), "due_at", "id")
    )


def find_requests_to_dispatch() -> QuerySet[Request]:
    """``find_due_requests`` of all meters, from the index that has them in this order."""
    return find_due_requests().filter(OF_ANY_METER)


def find_requests_of_organisation(organisation: Any, *, slow: bool) -> QuerySet[Request]:
    """``find_due_requests`` of one organisation, of slow meters or of the others, from the index of these.

    ``organisation`` is a key or an expression.
    """
    return find_due_requests().filter(
        OF_AN_ORGANISATION, organisation=organisation, in_slow_lane=int(slow), meter__isnull=False
    )
