"""Cancelling many requests, and sending requests again."""

from collections.abc import Sequence
from typing import Any

from django.db import transaction

from osgp.pages.shared.sending import name_sender
from osgp.requests import steering
from osgp.requests.models import Action, Request
from osgp.requests.states import bulk as bulk_states
from osgp.requests.submission import make_organisation_caller, submit

CANCEL_SLICE = 1000
"""Requests cancelled in one transaction."""


def cancel_all(numbers: Sequence[int]) -> list[int]:
    """Cancel requests by primary key; returns those that were. The others run, or are final."""
    cancelled: list[int] = []
    for start in range(0, len(numbers), CANCEL_SLICE):
        chosen = Request.objects.filter(pk__in=numbers[start : start + CANCEL_SLICE])
        with transaction.atomic():
            keys = bulk_states.cancel_waiting(chosen, CANCEL_SLICE)
            if keys:
                steering.tell_cancelled(chosen.filter(pk__in=keys).select_related("organisation"))
        cancelled += keys
    return cancelled


@transaction.atomic
def send_again(request: Request, username: str) -> Request:
    """A new request with the same message, device and parameters, for the same organisation, due now.

    All checks are made anew. Raises rest_framework ValidationError or Fault as submission does.
    """
    caller = make_organisation_caller(request.organisation, name_sender(username))
    rows = Action.objects.filter(request=request).select_related("device").order_by("position")
    actions = rows.defer("result", "partial_result")
    body = {
        "device_identification": request.device_identification,
        "priority": request.priority,
        "bypass_retry": request.bypass_retry,
    }
    if request.is_bundle:
        body["actions"] = [_represent(action, request) for action in actions]
    else:
        body |= actions[0].parameters
    return submit(caller, request.message, body)


def _represent(action: Action, bundle: Request) -> dict[str, Any]:
    """An action as its caller wrote it."""
    sent = {"message": action.message, **action.parameters}
    if action.device is not None and action.device_id != bundle.device_id:
        sent["device_identification"] = action.device.identification
    return sent
