"""Requests that change only the platform: one transaction carries out and finishes each."""

import logging
from collections import deque

from django.db import DatabaseError, transaction
from rest_framework.exceptions import ValidationError

from osgp.audit.context import Actor, acting
from osgp.faults import Component, Fault, FaultCode
from osgp.messages.operation import PlatformOperation, Sender
from osgp.messages.registry import find_operation
from osgp.processes.stopping import stop
from osgp.requests import states
from osgp.requests.models import Action, ActionState, Request, RequestState
from osgp.visits import retries

logger = logging.getLogger(__name__)


def perform_due(limit: int) -> int:
    """Carry out up to ``limit`` due requests; return how many.

    A request is ours for the time of a lease, and its row is locked meanwhile: when the process dies, the
    database rolls back, and the request is due again. Only its crash count stays, so that a request that
    kills every worker is given up in the end.
    """
    done = 0
    while _survived and _leave(_survived.popleft()):
        pass
    while done < limit and not stop.is_requested and _perform_next():
        done += 1
    return done


_survived: deque[states.ChosenRequest] = deque()
"""Requests that did no harm, while the database was away to take back their crash count."""


def _leave(chosen: states.ChosenRequest) -> bool:
    try:
        states.leave_platform_request(chosen)
    except DatabaseError:
        _survived.append(chosen)
        return False
    return True


def _perform_next() -> bool:
    chosen = states.choose_platform_request()
    if chosen is None:
        return False
    try:
        if not _perform_chosen(chosen):
            states.leave_platform_request(chosen)
    except Exception:
        _leave(chosen)
        raise
    return True


def _perform_chosen(chosen: states.ChosenRequest) -> bool:
    with transaction.atomic():
        # No other worker carries it out, but one that looks for work may lock its row for a moment: wait.
        request = (
            states.find_chosen_platform_request(chosen)
            .select_related("organisation")
            .select_for_update(of=("self",))
            .first()
        )
        if request is None or not states.start_platform_request(request):
            return False
        request.attempts += 1
        action = Action.objects.get(request=request)
        try:
            with transaction.atomic():
                _carry_out(request, action)
        except Fault as fault:
            _fail(request, fault)
        except ValidationError:
            # Parameters are validated before they are stored: a newer release may refuse them.
            _fail(request, Fault(FaultCode.VALIDATION_ERROR, "The parameters are not valid any more."))
        except Exception:
            logger.exception("%s of %s failed", request.message, request.correlation_uid)
            _fail(
                request,
                Fault(
                    FaultCode.UNABLE_TO_PROCESS_REQUEST,
                    f"{request.message} could not be processed because of an internal error.",
                    component=Component.CORE,
                    retryable=True,
                ),
            )
        return True


def _carry_out(request: Request, action: Action) -> None:
    operation = find_operation(request.message)
    assert isinstance(operation, PlatformOperation)
    parameters = operation.parse(action.parameters)
    sender = Sender(request.organisation, request.application, request.correlation_uid)
    actor = Actor(
        request.application, request.organisation.identification, correlation_uid=request.correlation_uid
    )
    with acting(actor):
        device, result = operation.perform(sender, request.device_identification, parameters)
    states.finish_action(
        action.pk, None, ActionState.DONE, result=operation.represent_result(result), fault=None
    )
    states.finish_request(request.pk, None, RequestState.SUCCEEDED, fault=None)
    states.forget_secrets([request.pk])
    if device is not None:
        Request.objects.filter(pk=request.pk).update(device=device)


def _fail(request: Request, fault: Fault) -> None:
    shown = fault.as_dict()
    delay = retries.find_next_delay(request, shown)
    priority = retries.lower_priority(request.effective_priority)
    if delay is None or not states.retry_request(request.pk, None, delay, fault=shown, priority=priority):
        states.fail_request(request.pk, None, shown)
