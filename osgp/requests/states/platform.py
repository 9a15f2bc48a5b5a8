"""Transitions of requests that change only the platform and need no meter."""

from datetime import datetime
from typing import NamedTuple

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Coalesce, Now

from osgp.requests.due import find_due_requests
from osgp.requests.models import Request
from osgp.requests.states.ending import give_up_actions
from osgp.requests.states.quarantine import QUARANTINED, keep_notes
from osgp.requests.states.transitions import RequestTransitions
from osgp.sql import add_to_now
from osgp.state_tables import apply


def find_due_platform_requests() -> QuerySet[Request]:
    """Return the due requests that change only the platform."""
    return find_due_requests().filter(meter__isnull=True)


class ChosenRequest(NamedTuple):
    """A platform request that no other process takes for the time of a lease, and when it was due."""

    pk: int
    due_at: datetime


def choose_platform_request() -> ChosenRequest | None:
    """Choose the next due request and raise its crash count; None if there is none.

    It is not due for other processes until a lease has passed. ``start_platform_request`` or
    ``leave_platform_request`` lowers the count again. A request with too high a count FAILS: every process
    that carried it out has died.
    """
    while True:
        with transaction.atomic():
            found = (
                find_due_platform_requests()
                .select_for_update(skip_locked=True, of=("self",))
                .values_list("pk", "due_at", "crashes")
                .first()
            )
            if found is None:
                return None
            request_id, due_at, crashes = found
            request = Request.objects.filter(pk=request_id)
            if crashes < settings.OSGP["MAX_CRASHES"]:
                lease = add_to_now(settings.OSGP["SESSION_LEASE"])
                request.filter(_is_waiting()).update(crashes=F("crashes") + 1, due_at=lease)
                return ChosenRequest(request_id, due_at)
            if apply(request, RequestTransitions.GIVE_UP, fault=QUARANTINED, completed_at=Now()):
                give_up_actions([request_id])
                keep_notes([request_id])


def find_chosen_platform_request(chosen: ChosenRequest) -> QuerySet[Request]:
    """Return the chosen request, if it still waits."""
    return Request.objects.filter(_is_waiting(), pk=chosen.pk, meter__isnull=True)


def leave_platform_request(chosen: ChosenRequest) -> None:
    """Make a chosen request due as before, and lower its crash count: it was not carried out."""
    Request.objects.filter(_is_waiting(), pk=chosen.pk, crashes__gt=0).update(
        crashes=F("crashes") - 1, due_at=chosen.due_at
    )


def start_platform_request(request: Request) -> bool:
    """QUEUED or RETRYING -> RUNNING. Call it in the transaction that also finishes the request."""
    started = apply(
        Request.objects.filter(pk=request.pk),
        RequestTransitions.START,
        attempts=F("attempts") + 1,
        crashes=F("crashes") - 1,
        started_at=Coalesce("started_at", Now()),
    )
    return started == 1


def _is_waiting() -> Q:
    return Q(state__in=RequestTransitions.START.sources)
