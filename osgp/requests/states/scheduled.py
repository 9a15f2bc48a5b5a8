"""Transitions of scheduled requests when they become due: organisations may have lost their rights."""

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
from osgp.sql import is_one_of
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
"""Slices in one call. When a whole fleet is due, dispatching starts before all are checked."""


def queue_scheduled() -> int:
    """SCHEDULED -> QUEUED for due requests, up to SLICES * SLICE; return how many.

    It checks the rights again, as months may have passed: requests without them FAIL with 301, or with 104 if
    the organisation was disabled. A bundle fails as a whole, as it would when it is accepted.
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
    """Queue a slice; return how many requests were checked, and how many of them are QUEUED now.

    Locks the slice: other dispatchers check other requests.
    """
    oldest = _find_due().order_by("due_at").select_for_update(skip_locked=True, of=("self",))
    chosen = list(oldest.values_list("pk", flat=True)[:SLICE])
    rows = Request.objects.filter(is_one_of("pk", chosen))
    _fail(rows.filter(organisation__enabled=False), DISABLED)
    _fail(rows.filter(Exists(_find_actions_not_granted())), NOT_GRANTED_ANY_MORE)
    return len(chosen), apply(rows, RequestTransitions.QUEUE)


def _fail(rows: QuerySet[Request], fault: dict[str, Any]) -> None:
    scheduled = rows.filter(state__in=RequestTransitions.REFUSE.sources)
    refused = list(scheduled.order_by().values_list("pk", flat=True))
    if refused:
        failed = Request.objects.filter(is_one_of("pk", refused))
        apply(failed, RequestTransitions.REFUSE, fault=fault, completed_at=Now())
        give_up_actions(refused)


def _find_actions_not_granted() -> QuerySet[Action]:
    """Return the actions of a request (OuterRef) that its organisation has no right to any more.

    Does not check messages that this release does not know, and devices that do not exist yet: that is left
    to those that carry them out.
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
