"""Sending and steering requests on behalf of organisations, as the admin does it."""

from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.accounts.models import Organisation
from osgp.devices.models import Device
from osgp.requests.models import Action, Request
from osgp.requests.states import bulk as bulk_states
from osgp.requests.submission import organisation_caller, submit

MOST_AT_ONCE = 10_000
"""Requests that one click may cancel or send again."""
CANCEL_SLICE = 1000
"""Requests cancelled in one transaction."""


def sender(username: str) -> str:
    """How requests name the person who sent them; ``application`` holds 40 characters."""
    return f"admin/{username}"[:40]


def senders_for(device: Device | None, confined_to: Organisation | None) -> QuerySet[Organisation]:
    """The organisations in whose name a message may be sent to a device; its owners come first.

    A user with an organisation sends in its name only.
    """
    if confined_to is not None:
        return Organisation.objects.filter(pk=confined_to.pk)
    if device is None:
        return Organisation.objects.filter(enabled=True)
    owners = Organisation.objects.filter(
        authorisations__device=device, authorisations__function_group=DeviceFunctionGroup.OWNER
    )
    return (
        owners if owners.exists() else Organisation.objects.filter(authorisations__device=device).distinct()
    )


def cancel_all(numbers: Sequence[int]) -> list[int]:
    """Cancel requests by primary key; returns those that were. The others run, or are final."""
    cancelled: list[int] = []
    for start in range(0, len(numbers), CANCEL_SLICE):
        chosen = Request.objects.filter(pk__in=numbers[start : start + CANCEL_SLICE])
        cancelled += bulk_states.cancel_waiting(chosen, CANCEL_SLICE)
    return cancelled


@transaction.atomic
def send_again(request: Request, username: str) -> Request:
    """A new request with the same message, device and parameters, for the same organisation, due now.

    All checks are made anew. Raises rest_framework ValidationError or Fault as submission does.
    """
    caller = organisation_caller(request.organisation, sender(username))
    actions = Action.objects.filter(request=request).select_related("device").order_by("position")
    body = {
        "device_identification": request.device_identification,
        "priority": request.priority,
        "bypass_retry": request.bypass_retry,
    }
    if request.is_bundle:
        body["actions"] = [_as_sent(action, request) for action in actions]
    else:
        body |= actions[0].parameters
    return submit(caller, request.message, body)


def _as_sent(action: Action, bundle: Request) -> dict[str, Any]:
    """An action as its caller wrote it."""
    sent = {"message": action.message, **action.parameters}
    if action.device is not None and action.device_id != bundle.device_id:
        sent["device_identification"] = action.device.identification
    return sent
