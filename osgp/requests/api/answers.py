"""What the API says about a request: the bodies it answers with, and serializers that document them.

Results are stored as the JSON that callers get, so an answer is put together from the row without running
the serializers; the tests hold the two against each other.
"""

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any

from django.urls import reverse
from rest_framework import serializers

from osgp.requests.api.responses import FaultSerializer, ResponseField, response_entry, result_serializer
from osgp.requests.models import Request, RequestState
from osgp.requests.operation import CompositeOperation, Operation
from osgp.requests.queries import Outcome
from osgp.requests.registry import UnknownMessage, operation
from osgp.requests.serializers import utc_text
from osgp.requests.submission import CommonFields


class AcceptedSerializer(serializers.Serializer):
    """A request was stored and will be carried out."""

    correlation_uid = serializers.UUIDField()
    device_identification = serializers.CharField()
    message = serializers.CharField()
    status = serializers.ChoiceField(choices=RequestState.values)
    url = serializers.CharField(allow_null=True, help_text="Where its outcome is fetched.")


class RequestSerializer(serializers.Serializer):
    """What is known of a request, whatever its message."""

    correlation_uid = serializers.UUIDField()
    device_identification = serializers.CharField()
    message = serializers.CharField()
    status = serializers.ChoiceField(choices=RequestState.values)
    priority = serializers.IntegerField(min_value=0, max_value=9)
    schedule_time = serializers.DateTimeField(allow_null=True)
    attempts = serializers.IntegerField(min_value=0, help_text="Times that the meter was dialled.")
    created_at = serializers.DateTimeField()
    completed_at = serializers.DateTimeField(allow_null=True)


class ListedRequestSerializer(RequestSerializer):
    """A request in a list; its result is fetched from its URL."""

    fault = FaultSerializer(allow_null=True, help_text="Only when it FAILED.")
    url = serializers.CharField(allow_null=True, help_text="Where its outcome is fetched.")


class RequestPageSerializer(serializers.Serializer):
    """Requests, latest first; the Link header with rel="next" leads on."""

    results = ListedRequestSerializer(many=True)


@cache
def request_serializer(task: Operation) -> type[serializers.Serializer]:
    """The body of a message: its parameters beside the common fields."""
    return type(f"{task.message}Request", (task.Parameters, CommonFields), {"__doc__": task.__doc__})


@cache
def response_serializer(task: Operation) -> type[serializers.Serializer]:
    """The outcome of a message, with its own result, or the responses of the messages that it is made of."""
    outcome: dict[str, serializers.Field]
    if isinstance(task, CompositeOperation):
        responses = serializers.ListField(child=ResponseField(), help_text="One per action, in their order.")
        outcome = {"responses": responses}
    else:
        outcome = {"result": result_serializer(task)(allow_null=True, help_text="Only when it SUCCEEDED.")}
    members = {
        "__doc__": f"The outcome of {task.message}.",
        **outcome,
        "fault": FaultSerializer(allow_null=True, help_text="Only when it FAILED."),
    }
    return type(f"{task.message}Response", (RequestSerializer,), members)


def accepted(request: Request) -> dict[str, Any]:
    """The answer to a POST: the request as it was stored, whatever has become of it since."""
    scheduled = request.schedule_time is not None and request.schedule_time > request.created_at
    return {
        "correlation_uid": str(request.correlation_uid),
        "device_identification": request.device_identification,
        "message": request.message,
        "status": str(RequestState.SCHEDULED if scheduled else RequestState.QUEUED),
        "url": outcome_url(request),
    }


def outcome_body(outcome: Outcome) -> dict[str, Any]:
    """The answer to a GET of a message."""
    request = outcome.request
    if request.is_bundle:
        responses = [response_entry(request, action) for action in outcome.actions]
        return {**_summary(request), "fault": _fault(request), "responses": responses}
    (action,) = outcome.actions
    succeeded = request.state == RequestState.SUCCEEDED
    return {
        **_summary(request),
        "result": action.result if succeeded else None,
        "fault": _fault(request, action.fault),
    }


def listed(request: Request) -> dict[str, Any]:
    """A row of a list of requests."""
    return {**_summary(request), "fault": _fault(request), "url": outcome_url(request)}


def outcome_url(request: Request) -> str | None:
    """The path under which the outcome is fetched; None for a message that this version does not know."""
    try:
        task = operation(request.message)
    except UnknownMessage:
        return None
    return reverse(route_name(task), args=[request.correlation_uid])


def route_name(task: Operation) -> str:
    """The name of the route to a message's outcomes."""
    return task.path()


def _summary(request: Request) -> dict[str, Any]:
    return {
        "correlation_uid": str(request.correlation_uid),
        "device_identification": request.device_identification,
        "message": request.message,
        "status": request.state,
        "priority": request.priority,
        "schedule_time": _time(request.schedule_time),
        "attempts": request.attempts,
        "created_at": _time(request.created_at),
        "completed_at": _time(request.completed_at),
    }


def _fault(request: Request, fault: Mapping[str, Any] | None = None) -> Mapping[str, Any] | None:
    """While a request waits for another attempt its row tells the last fault; to callers it has none yet."""
    return (request.fault or fault) if request.state == RequestState.FAILED else None


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else utc_text(moment)
