"""A request whose last outcome is known: it is finished, or tried again."""

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

from django.db import transaction

from osgp.messages.registry import find_operation
from osgp.requests import states, work
from osgp.requests.models import RequestState
from osgp.requests.work import WorkMeter, WorkRequest
from osgp.visits import retries
from osgp.visits.leases import LeaseLost
from osgp.visits.outcome import ActionOutcome
from osgp.visits.uncertainty import tell


def settle(last: ActionOutcome, meter: WorkMeter) -> bool:
    """Store the last outcome of a request, and finish or retry the request. Call it in a lane.

    Return False if no other request of the meter is due. Raises LeaseLost if the request is not in our meter
    session any more. Most visits need one statement for it.
    """
    request = last.action.request
    if not last.is_plain or request.is_bundle:
        _finish_or_retry(last, meter.settings.attempts)
        return True
    with transaction.atomic() if last.readings else nullcontext():
        succeeded = states.succeed(
            request.pk, last.action.pk, request.session_id, meter.pk, last.result or {}
        )
        if succeeded is None:
            raise LeaseLost
        last.store_readings()
        return succeeded.more


@transaction.atomic
def _finish_or_retry(last: ActionOutcome, most_attempts: int | None) -> None:
    """Store the last outcome, and finish the request or plan its next attempt.

    A bundle succeeds when each action has an outcome, be it a fault. As long as attempts are left, it retries
    actions with retryable faults, also those of former visits.
    """
    last.store()
    request = last.action.request
    fault = tell(last.fault)
    if request.is_bundle:
        fault = work.find_retryable_fault(request.pk)
    if fault is not None and _retry(request, fault, most_attempts):
        states.reopen_actions([request.pk], request.session_id)
        return
    failed = fault is not None and not request.is_bundle
    states.finish_request(
        request.pk,
        request.session_id,
        RequestState.FAILED if failed else RequestState.SUCCEEDED,
        fault=fault if failed else None,
    )
    if request.is_bundle or find_operation(last.action.message).secret_fields:
        states.forget_secrets([request.pk])


def _retry(request: WorkRequest, fault: Mapping[str, Any], most_attempts: int | None) -> bool:
    """Plan another attempt; return False if there is none, or the meter session was lost."""
    delay = retries.find_next_delay(request, fault, most_attempts)
    if delay is None:
        return False
    priority = retries.lower_priority(request.effective_priority)
    return states.retry_request(request.pk, request.session_id, delay, fault=fault, priority=priority)
