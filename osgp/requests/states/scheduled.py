"""When the time of scheduled requests has come: who lost the right to them meanwhile does not get them."""

from collections import defaultdict
from collections.abc import Collection
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.accounts.models import DeviceAuthorisation
from osgp.faults import Component, Fault, FaultCode
from osgp.messages import registry
from osgp.requests.models import Action, Request, RequestState
from osgp.requests.states.ending import give_up_actions
from osgp.requests.states.transitions import RequestTransitions
from osgp.sql import match_keys
from osgp.state_tables import apply

NOT_GRANTED_ANY_MORE = Fault(
    FaultCode.UNAUTHORIZED,
    "When the request became due, the organisation was no longer granted what it asked for.",
    component=Component.CORE,
).as_dict()
DISABLED = Fault(
    FaultCode.DISABLED_ORGANISATION,
    "When the request became due, the organisation was disabled.",
    component=Component.CORE,
).as_dict()
SLICE = 1_000
"""Requests per transaction."""
SLICES = 5
"""In one go. Of a fleet that is due at one moment, the first are dispatched while others are looked at."""


def queue_scheduled() -> int:
    """SCHEDULED requests whose time has come become QUEUED; returns how many. There may be more of them.

    Their rights are looked at again, as months may have passed: without them they FAIL with 301, or with 104
    if the organisation was disabled. A bundle does as a whole, as when it is accepted.
    """
    queued = 0
    if _find_due().exists():
        for _ in range(SLICES):
            looked_at, granted = _queue_slice()
            queued += granted
            if looked_at < SLICE:
                break
    return queued


def _find_due() -> QuerySet[Request]:
    return Request.objects.filter(state=RequestState.SCHEDULED, due_at__lte=Now())


@transaction.atomic
def _queue_slice() -> tuple[int, int]:
    """How many were looked at, and how many of them became QUEUED.

    They are locked, so that only what is looked at changes: other dispatchers are at others meanwhile.
    """
    oldest = _find_due().order_by("due_at").select_for_update(skip_locked=True, of=("self",))
    chosen = list(oldest.values_list("pk", flat=True)[:SLICE])
    rows = Request.objects.filter(match_keys("pk", chosen))
    _fail(rows.filter(organisation__enabled=False), DISABLED)
    _fail(rows.filter(Exists(_find_actions_not_granted())), NOT_GRANTED_ANY_MORE)
    return len(chosen), apply(rows, RequestTransitions.QUEUE)


def _fail(rows: QuerySet[Request], fault: dict[str, Any]) -> None:
    scheduled = rows.filter(state__in=RequestTransitions.REFUSE.sources)
    refused = list(scheduled.order_by().values_list("pk", flat=True))
    if refused:
        failed = Request.objects.filter(match_keys("pk", refused))
        apply(failed, RequestTransitions.REFUSE, fault=fault, completed_at=Now())
        give_up_actions(refused)


def _find_actions_not_granted() -> QuerySet[Action]:
    """Those of a request that its organisation may not have carried out on their device.

    A message that this release does not know is left to those who carry it out; as is one for a device that
    does not exist yet.
    """
    alike: defaultdict[frozenset[DeviceFunctionGroup], list[str]] = defaultdict(list)
    for operation in registry.list_operations():
        alike[operation.granted_to].append(operation.message)
    not_granted = Q()
    for granted_to, messages in alike.items():
        not_granted |= Q(~Exists(_find_grants(granted_to)), message__in=messages)
    return Action.objects.filter(not_granted, request=OuterRef("pk"), device__isnull=False).order_by()


def _find_grants(granted_to: Collection[DeviceFunctionGroup]) -> QuerySet[DeviceAuthorisation]:
    return DeviceAuthorisation.objects.filter(
        device=OuterRef("device"),
        organisation=OuterRef("request__organisation"),
        function_group__in={DeviceFunctionGroup.OWNER, *granted_to},
    )
