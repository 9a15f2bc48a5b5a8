"""Changes of state of many requests at once, in slices that keep nobody waiting (see states.py)."""

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from osgp.requests.models import WAITING_STATES, Request, RequestState


@transaction.atomic
def cancel_waiting(rows: QuerySet[Request], limit: int) -> int:
    """SCHEDULED, QUEUED or RETRYING -> CANCELLED for up to ``limit`` of ``rows``; returns how many.

    Rows that somebody else is changing at this moment are left alone. For messages without secrets only:
    parameters stay as they are.
    """
    waiting = rows.filter(state__in=WAITING_STATES).order_by()
    chosen = list(
        waiting.select_for_update(skip_locked=True, of=("self",)).values_list("pk", flat=True)[:limit]
    )
    return Request.objects.filter(pk__in=chosen, state__in=WAITING_STATES).update(
        state=RequestState.CANCELLED, completed_at=Now()
    )
