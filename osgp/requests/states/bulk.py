"""Changes of state of many requests, in slices that do not hold up others."""

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from osgp.requests.models import Request, RequestState
from osgp.requests.states.ending import forget_secrets
from osgp.requests.states.tables import LIVE
from osgp.requests.states.transitions import RequestTransitions
from osgp.sql import add_to_now
from osgp.state_tables import apply


@transaction.atomic
def cancel_waiting(rows: QuerySet[Request], limit: int) -> list[int]:
    """SCHEDULED, QUEUED or RETRYING -> CANCELLED for up to ``limit`` of ``rows``; return their keys.

    Skips rows that are locked.
    """
    waiting = rows.filter(state__in=RequestTransitions.CANCEL.sources).order_by()
    chosen = list(
        waiting.select_for_update(skip_locked=True, of=("self",)).values_list("pk", flat=True)[:limit]
    )
    apply(Request.objects.filter(pk__in=chosen), RequestTransitions.CANCEL, completed_at=Now())
    if chosen:
        forget_secrets(chosen)
    return chosen


@transaction.atomic
def take_back_stranded(limit: int = 500) -> int:
    """RUNNING -> RETRYING, due now, if the meter session has ended; return how many.

    No transition leaves such requests behind (``take_requests`` locks the meter session). This is a safety
    net for rows that were changed in other ways, such as by hand or from a backup. It waits for the time of a
    lease after the end of the meter session: no visit goes on for longer.
    """
    stranded = Request.objects.filter(
        state=RequestState.RUNNING, session__closed_at__lt=add_to_now(-settings.OSGP["SESSION_LEASE"])
    ).exclude(session__state__in=LIVE)
    chosen = list(
        stranded.order_by()
        .select_for_update(skip_locked=True, of=("self",))
        .values_list("pk", flat=True)[:limit]
    )
    return apply(Request.objects.filter(pk__in=chosen), RequestTransitions.TAKE_BACK, due_at=Now())
