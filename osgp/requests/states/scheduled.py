"""When the time of scheduled requests has come: who lost the right to them meanwhile does not get them."""

from collections import defaultdict
from collections.abc import Collection
from typing import Any

from django.db import transaction
from django.db.models import Exists, Max, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.accounts.models import DeviceAuthorisation
from osgp.faults import Component, Fault, FaultCode
from osgp.requests import registry
from osgp.requests.models import Action, Request, RequestState
from osgp.requests.states.ending import give_up_actions

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
"""Requests that fail per transaction."""


def queue_scheduled() -> int:
    """SCHEDULED requests whose time has come become QUEUED; returns how many.

    Their rights are looked at again, as months may have passed: without them they FAIL with 301, or with 104
    if the organisation was disabled. A bundle does as a whole, as when it is accepted.
    """
    scheduled = Request.objects.filter(state=RequestState.SCHEDULED)
    moment = scheduled.filter(due_at__lte=Now()).aggregate(latest=Max("due_at"))["latest"]
    if moment is None:
        return 0
    # Not what becomes due between the two.
    due = scheduled.filter(due_at__lte=moment)
    for without, fault in (
        (Q(organisation__enabled=False), DISABLED),
        (Q(Exists(_actions_not_granted())), NOT_GRANTED_ANY_MORE),
    ):
        while _fail_slice(due.filter(without), fault):
            pass
    return due.update(state=RequestState.QUEUED)


@transaction.atomic
def _fail_slice(refused: QuerySet[Request], fault: dict[str, Any]) -> int:
    # Locked, so that it is these that fail: another dispatcher may be at it as well, or a caller cancel one.
    # Whoever has locked one is waited for, as none may be left over that is queued instead.
    chosen = list(refused.order_by().select_for_update(of=("self",)).values_list("pk", flat=True)[:SLICE])
    Request.objects.filter(pk__in=chosen).update(state=RequestState.FAILED, fault=fault, completed_at=Now())
    give_up_actions(chosen)
    return len(chosen)


def _actions_not_granted() -> QuerySet[Action]:
    """Those of a request that its organisation may not have carried out on their device.

    A message that this release does not know is left to those who carry it out; as is one for a device that
    does not exist yet.
    """
    alike: defaultdict[frozenset[DeviceFunctionGroup], list[str]] = defaultdict(list)
    for operation in registry.operations():
        alike[operation.granted_to].append(operation.message)
    not_granted = Q()
    for granted_to, messages in alike.items():
        not_granted |= Q(~Exists(_grants(granted_to)), message__in=messages)
    return Action.objects.filter(not_granted, request=OuterRef("pk"), device__isnull=False).order_by()


def _grants(granted_to: Collection[DeviceFunctionGroup]) -> QuerySet[DeviceAuthorisation]:
    return DeviceAuthorisation.objects.filter(
        device=OuterRef("device"),
        organisation=OuterRef("request__organisation"),
        function_group__in={DeviceFunctionGroup.OWNER, *granted_to},
    )
