"""What is due: the question that dispatchers, visits and platform requests ask."""

from django.db.models import F, QuerySet
from django.db.models.functions import Now

from osgp.requests.models import Request, RequestState

DUE_STATES = (RequestState.QUEUED, RequestState.RETRYING)


def find_due_requests() -> QuerySet[Request]:
    """Requests that wait for a visit and may be carried out now, most urgent first."""
    return (
        Request.objects.filter(state__in=DUE_STATES, due_at__lte=Now())
        .exclude(max_schedule_time__lt=Now())
        .order_by(F("effective_priority").desc(), "due_at", "id")
    )
