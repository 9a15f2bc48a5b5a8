"""Requests that only change the platform: each is carried out and finished in one transaction."""

import logging

from django.db import transaction
from rest_framework.exceptions import ValidationError

from osgp.faults import Component, Fault, FaultCode
from osgp.requests import retries, states
from osgp.requests.models import Action, ActionState, Request, RequestState
from osgp.requests.operation import PlatformOperation
from osgp.requests.registry import operation
from osgp.requests.stopping import stop

logger = logging.getLogger(__name__)


def perform_due(limit: int) -> int:
    """Carry out up to ``limit`` due requests; returns how many.

    The row lock is the lease: a process that dies rolls back, and the request is due as before. Only that it
    was there is remembered, so that one that kills whoever carries it out is given up in the end.
    """
    done = 0
    while done < limit and not stop.is_requested and _perform_next():
        done += 1
    return done


def _perform_next() -> bool:
    request_id = states.choose_platform_request()
    if request_id is None:
        return False
    if not _perform_chosen(request_id):
        states.leave_platform_request(request_id)
    return True


def _perform_chosen(request_id: int) -> bool:
    with transaction.atomic():
        request = (
            states.due_platform_requests()
            .filter(pk=request_id)
            .select_related("organisation")
            .select_for_update(skip_locked=True, of=("self",))
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
            # Parameters are validated before they are stored: a newer release sees them differently.
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
    task = operation(request.message)
    assert isinstance(task, PlatformOperation)
    parameters = task.parse(action.parameters)
    device, result = task.perform(request.organisation, request.device_identification, parameters)
    states.finish_action(action.pk, None, ActionState.DONE, result=task.stored_result(result), fault=None)
    states.finish_request(request.pk, None, RequestState.SUCCEEDED, fault=None)
    states.forget_secrets([request.pk])
    if device is not None:
        Request.objects.filter(pk=request.pk).update(device=device)


def _fail(request: Request, fault: Fault) -> None:
    delay = retries.next_delay(request, retryable=fault.retryable)
    priority = retries.lowered(request.effective_priority)
    if delay is None or not states.retry_request(
        request.pk, None, delay, fault=fault.as_dict(), priority=priority
    ):
        states.fail_request(request.pk, None, fault.as_dict())
