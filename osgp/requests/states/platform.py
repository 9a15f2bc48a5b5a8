"""What happens to requests that only change the platform, and need no meter."""

from django.conf import settings
from django.db import transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Coalesce, Now

from osgp.requests.due import DUE_STATES, due_requests
from osgp.requests.models import Request, RequestState
from osgp.requests.states.dispatching import QUARANTINED
from osgp.requests.states.ending import give_up_actions


def due_platform_requests() -> QuerySet[Request]:
    """Due requests that only change the platform."""
    return due_requests().filter(meter__isnull=True)


def choose_platform_request() -> int | None:
    """The next due one, already counted among those that a process may die of; None: there is none.

    ``start_platform_request`` or ``leave_platform_request`` takes that count back. One that was counted too
    often without either is given up: whoever carried it out died every time.
    """
    while True:
        with transaction.atomic():
            chosen = (
                due_platform_requests()
                .select_for_update(skip_locked=True, of=("self",))
                .values_list("pk", "crashes")
                .first()
            )
            if chosen is None:
                return None
            request_id, crashes = chosen
            request = Request.objects.filter(pk=request_id, state__in=DUE_STATES)
            if crashes < settings.OSGP["MAX_CRASHES"]:
                request.update(crashes=F("crashes") + 1)
                return request_id
            if request.update(state=RequestState.FAILED, fault=QUARANTINED, completed_at=Now()):
                give_up_actions([request_id], QUARANTINED)


def leave_platform_request(request_id: int) -> None:
    """Somebody else got to carry out what was chosen."""
    Request.objects.filter(pk=request_id, state__in=DUE_STATES, crashes__gt=0).update(
        crashes=F("crashes") - 1
    )


def start_platform_request(request: Request) -> bool:
    """QUEUED or RETRYING -> RUNNING, within the transaction that also finishes what was chosen."""
    started = Request.objects.filter(pk=request.pk, state__in=DUE_STATES).update(
        state=RequestState.RUNNING,
        attempts=F("attempts") + 1,
        crashes=F("crashes") - 1,
        started_at=Coalesce("started_at", Now()),
    )
    return started == 1
