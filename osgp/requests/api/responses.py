"""What the API says about each action of a bundle."""

from functools import cache
from typing import Any

from drf_spectacular.utils import PolymorphicProxySerializer, extend_schema_field
from rest_framework import serializers

from osgp.faults import Component, FaultCode
from osgp.requests import registry
from osgp.requests.models import Action, ActionState, Request, RequestState
from osgp.requests.operation import Operation

UNKNOWN = str(ActionState.UNKNOWN)
STATUSES = (*RequestState.values, UNKNOWN)

_STATUS = {
    ActionState.DONE: str(RequestState.SUCCEEDED),
    ActionState.FAULT: str(RequestState.FAILED),
    ActionState.UNKNOWN: UNKNOWN,
}


class FaultSerializer(serializers.Serializer):
    """Why it failed."""

    code = serializers.ChoiceField(choices=[int(code) for code in FaultCode])
    name = serializers.ChoiceField(choices=[code.name for code in FaultCode])
    message = serializers.CharField()
    component = serializers.ChoiceField(choices=[str(component) for component in Component])
    retryable = serializers.BooleanField(help_text="Another attempt may succeed without any change.")


class ResponseSerializer(serializers.Serializer):
    """What came of one action of a bundle."""

    device_identification = serializers.CharField(help_text="The device that it was about.")
    status = serializers.ChoiceField(
        choices=STATUSES,
        help_text="SUCCEEDED with a result, FAILED with a fault, or UNKNOWN with a fault: nobody can tell "
        "whether it took effect, and it was not repeated. An action without an outcome has the status of its "
        "bundle.",
    )


@cache
def result_serializer(task: Operation) -> type[serializers.Serializer]:
    """The result of a message, under a name of its own."""
    return type(f"{task.message}Result", (task.Result,), {"__doc__": task.Result.__doc__})


@cache
def response_entry_serializer(task: Operation) -> type[serializers.Serializer]:
    """The response to an action of one message."""
    members = {
        "__doc__": f"What came of {task.message} in a bundle.",
        "message": serializers.ChoiceField(choices=[task.message]),
        "result": result_serializer(task)(allow_null=True, help_text="Only when it SUCCEEDED."),
        "fault": FaultSerializer(allow_null=True, help_text="Only when it FAILED or is UNKNOWN."),
    }
    return type(f"{task.message}ActionResponse", (ResponseSerializer,), members)


def responses_field() -> serializers.Field:
    """The responses of a bundle, a union told apart by ``message``."""

    @extend_schema_field(
        PolymorphicProxySerializer(
            component_name="BundleActionResponse",
            serializers={task.message: response_entry_serializer(task) for task in registry.bundleable()},
            resource_type_field_name="message",
        )
    )
    class ResponseField(serializers.Field):
        """One response."""

    return serializers.ListField(
        child=ResponseField(), help_text="One per action, in the order of the actions."
    )


def response_entry(request: Request, action: Action) -> dict[str, Any]:
    """What came of one action, as the answer to a GET of its bundle says it."""
    status = _status(request, action)
    device = action.device
    return {
        "message": action.message,
        "device_identification": device.identification if device else request.device_identification,
        "status": status,
        "result": action.result if status == RequestState.SUCCEEDED else None,
        # Before another attempt the row tells the last fault; to callers there is none yet.
        "fault": action.fault if status in (RequestState.FAILED, UNKNOWN) else None,
    }


def _status(request: Request, action: Action) -> str:
    if action.state == ActionState.STARTED and request.is_final:
        return UNKNOWN
    return _STATUS.get(ActionState(action.state), request.state)
