"""Answers about requests as JSON, for the REST API and the command line.

Results are stored as the JSON that callers get. So answers are built from the rows without the serializers
that document them (osgp/requests/api/serializers.py); tests compare both.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.urls import reverse

from osgp.messages.operation import Operation
from osgp.messages.registry import UnknownMessage, find_operation
from osgp.messages.serializers import utc_text
from osgp.requests.models import Action, ActionState, Request, RequestState
from osgp.requests.queries import RequestOutcome
from osgp.requests.result_texts import ResultText
from osgp.requests.states.transitions import choose_first_state

UNKNOWN = str(ActionState.UNKNOWN)

_STATUS = {
    ActionState.DONE: str(RequestState.SUCCEEDED),
    ActionState.FAULT: str(RequestState.FAILED),
    ActionState.UNKNOWN: UNKNOWN,
}


def build_accepted_body(request: Request) -> dict[str, Any]:
    """Return the answer to a POST: the request as it was stored, without later changes."""
    return {
        "correlation_uid": str(request.correlation_uid),
        "device_identification": request.device_identification,
        "message": request.message,
        "status": str(_find_first_state(request)),
        "url": build_outcome_url(request),
    }


def _find_first_state(request: Request) -> RequestState:
    is_later = request.schedule_time is not None and request.schedule_time > request.created_at
    # What succeeds later has been attempted.
    is_over = request.state == RequestState.SUCCEEDED and not request.attempts
    return choose_first_state(is_due=not is_later, is_over=is_over)


def build_outcome_body(outcome: RequestOutcome) -> dict[str, Any]:
    """Return the answer to a GET of a message: the request with its result or responses, and fault.

    Of an outcome as text, it has ResultTexts: ``osgp.requests.result_texts.write_json`` writes it.
    """
    request = outcome.request
    if request.is_bundle:
        responses = [build_response_entry(request, action) for action in outcome.actions]
        return {**_build_summary(request), "fault": _find_fault(request), "responses": responses}
    (action,) = outcome.actions
    succeeded = request.state == RequestState.SUCCEEDED
    return {
        **_build_summary(request),
        "result": action.result if succeeded else None,
        "fault": _find_fault(request, action),
        **_find_partial_result(request.state, action),
    }


def build_list_entry(request: Request) -> dict[str, Any]:
    """Return a request as an element of a list."""
    return {**_build_summary(request), "fault": _find_fault(request), "url": build_outcome_url(request)}


def build_outcome_url(request: Request) -> str | None:
    """Return the path of the outcome of a request; None for a message that this release does not know."""
    try:
        operation = find_operation(request.message)
    except UnknownMessage:
        return None
    return reverse(build_route_name(operation), args=[request.correlation_uid])


def build_route_name(operation: Operation) -> str:
    """Return the name of the route to the outcomes of a message."""
    return operation.derive_path()


def _build_summary(request: Request) -> dict[str, Any]:
    return {
        "correlation_uid": str(request.correlation_uid),
        "device_identification": request.device_identification,
        "message": request.message,
        "status": request.state,
        "priority": request.priority,
        "schedule_time": _format_time(request.schedule_time),
        "attempts": request.attempts,
        "created_at": _format_time(request.created_at),
        "completed_at": _format_time(request.completed_at),
    }


def _find_fault(request: Request, action: Action | None = None) -> Mapping[str, Any] | None:
    """Return the fault of a FAILED request. Before another attempt, callers do not see the last fault.

    That of an only ``action`` says more if its outcome is unknown.
    """
    if request.state != RequestState.FAILED:
        return None
    told: Mapping[str, Any] | None = None if action is None else action.fault
    is_unknown = action is not None and action.state == ActionState.UNKNOWN
    return (is_unknown and told) or request.fault or told


_ENDED_WITHOUT_RESULT = frozenset({RequestState.FAILED, RequestState.CANCELLED, UNKNOWN})


def _find_partial_result(status: str, action: Action) -> dict[str, Any]:
    """Return the fields of what came before the meter was lost; none if nothing did, or more may come."""
    if action.partial_result is None or status not in _ENDED_WITHOUT_RESULT:
        return {}
    until = find_complete_until(action.partial_result)
    return {"partial_result": action.partial_result, "complete_until": until}


def find_complete_until(result: Mapping[str, Any] | ResultText) -> str | None:
    """Return up to when a result of stored values has them all, in UTC; of its parts, the earliest time.

    None: the result does not say.
    """
    if isinstance(result, ResultText):
        return result.find_complete_until()
    parts = [part for value in result.values() if isinstance(value, list) for part in value]
    said = [each.get("complete_until") for each in (result, *parts) if isinstance(each, Mapping)]
    return said[0] or min((text for text in said if isinstance(text, str)), default=None)


def _format_time(moment: datetime | None) -> str | None:
    return None if moment is None else utc_text(moment)


def build_response_entry(request: Request, action: Action) -> dict[str, Any]:
    """Return the outcome of one action, as it stands in the answer of its bundle."""
    status = _find_status(request, action)
    device = action.device
    return {
        "message": action.message,
        "device_identification": device.identification if device else request.device_identification,
        "status": status,
        "result": action.result if status == RequestState.SUCCEEDED else None,
        # Before another attempt, callers do not see the fault of the last one.
        "fault": action.fault if status in (RequestState.FAILED, UNKNOWN) else None,
        **_find_partial_result(status, action),
    }


def _find_status(request: Request, action: Action) -> str:
    if action.state == ActionState.STARTED and request.is_final:
        return UNKNOWN
    return _STATUS.get(ActionState(action.state), request.state)
