"""Serializers that document answers about requests (osgp/requests/answers.py)."""

from functools import cache

from rest_framework import serializers

from osgp.messages.operation import CompositeOperation, Operation
from osgp.requests.api.responses import (
    FaultSerializer,
    ResponseField,
    make_partial_fields,
    make_result_serializer,
)
from osgp.requests.models import RequestState
from osgp.requests.submission import CommonFields


class AcceptedSerializer(serializers.Serializer):
    """A request was stored and will be carried out."""

    correlation_uid = serializers.UUIDField()
    device_identification = serializers.CharField()
    message = serializers.CharField()
    status = serializers.ChoiceField(choices=RequestState.values)
    url = serializers.CharField(allow_null=True, help_text="Where its outcome is fetched.")


class RequestSerializer(serializers.Serializer):
    """The fields of a request that do not depend on its message."""

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
    """Requests, latest first. The Link header with rel="next" leads to the next page."""

    results = ListedRequestSerializer(many=True)


@cache
def make_request_serializer(operation: Operation) -> type[serializers.Serializer]:
    """Make the serializer of the body of a message: the common fields and its parameters."""
    return type(
        f"{operation.message}Request",
        (operation.parameters_serializer, CommonFields),
        {"__doc__": operation.__doc__},
    )


@cache
def make_response_serializer(operation: Operation) -> type[serializers.Serializer]:
    """Make the serializer of the outcome of a message: with its result, or the responses of a bundle."""
    outcome: dict[str, serializers.Field]
    if isinstance(operation, CompositeOperation):
        responses = serializers.ListField(
            child=ResponseField(), help_text="One per action, in the same order."
        )
        outcome = {"responses": responses}
    else:
        outcome = {
            "result": make_result_serializer(operation)(allow_null=True, help_text="Only when it SUCCEEDED.")
        }
    members = {
        "__doc__": f"The outcome of {operation.message}.",
        **outcome,
        "fault": FaultSerializer(allow_null=True, help_text="Only when it FAILED."),
        **make_partial_fields(operation),
    }
    return type(f"{operation.message}Response", (RequestSerializer,), members)
