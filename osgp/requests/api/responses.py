"""Serializers for the responses of a bundle, one per action."""

from functools import cache
from typing import Any

from drf_spectacular.utils import PolymorphicProxySerializer, extend_schema_field
from rest_framework import serializers

from osgp.faults import Component, FaultCode
from osgp.messages import registry
from osgp.messages.operation import MeterOperation, Operation
from osgp.messages.serializers import IntegerField, StrictSerializer
from osgp.requests.answers import UNKNOWN
from osgp.requests.api.pages import PageSizeField
from osgp.requests.models import RequestState

MOST_RESPONSES = 1000
"""More than any bundle has."""
STATUSES = (*RequestState.values, UNKNOWN)


class FaultSerializer(serializers.Serializer):
    """Why it failed."""

    code = serializers.ChoiceField(choices=[int(code) for code in FaultCode])
    name = serializers.ChoiceField(choices=[code.name for code in FaultCode])
    message = serializers.CharField()
    component = serializers.ChoiceField(choices=[str(component) for component in Component])
    retryable = serializers.BooleanField(help_text="Another attempt may succeed without any change.")
    pointer = serializers.CharField(
        required=False,
        help_text="JSON pointer (RFC 6901) to the field of the request that is to blame, if any.",
    )


class PositionField(IntegerField):
    """A cursor among responses, in the digits of a query parameter."""

    default_error_messages = {"invalid": "Must come from a Link header."}

    def to_internal_value(self, data: Any) -> int:
        if not (isinstance(data, str) and data.isascii() and data.isdigit() and len(data) <= 4):
            self.fail("invalid")
        return int(data)


class ResponsesQuery(StrictSerializer):
    """Query parameters of the outcome of a bundle, whose results may be large."""

    page_size = PageSizeField(required=False, help_text="Responses in the answer; all of them by default.")
    cursor = PositionField(
        required=False,
        min_value=0,
        max_value=MOST_RESPONSES,
        help_text='From the Link header with rel="next".',
    )


class ResponseSerializer(serializers.Serializer):
    """The outcome of one action of a bundle."""

    device_identification = serializers.CharField(help_text="The device of the action.")
    status = serializers.ChoiceField(
        choices=STATUSES,
        help_text="SUCCEEDED with a result, FAILED with a fault, or UNKNOWN with a fault: it may have taken "
        "effect, and was not repeated. An action without an outcome has the status of its bundle.",
    )


@cache
def make_result_serializer(operation: Operation) -> type[serializers.Serializer]:
    """Make the serializer of the result of a message, under a name of its own."""
    return type(
        f"{operation.message}Result",
        (operation.result_serializer,),
        {"__doc__": operation.result_serializer.__doc__},
    )


def make_partial_fields(operation: Operation) -> dict[str, serializers.Field]:
    """Make the fields of what came of a result before the meter was lost; none if all or nothing comes."""
    if not (isinstance(operation, MeterOperation) and operation.comes_in_parts()):
        return {}
    return {
        "partial_result": make_result_serializer(operation)(
            required=False,
            help_text="Only when it ended without a result, and part of that had come before the meter was "
            "lost. What it has is among the readings as well.",
        ),
        "complete_until": serializers.DateTimeField(
            required=False,
            allow_null=True,
            help_text="Only with `partial_result`: up to when that has all values; of several buffers, the "
            "earliest time. Null: it does not say.",
        ),
    }


@cache
def make_response_entry_serializer(operation: Operation) -> type[serializers.Serializer]:
    """Make the serializer of the response to an action of one message."""
    members = {
        "__doc__": f"The outcome of {operation.message} in a bundle.",
        "message": serializers.ChoiceField(choices=[operation.message]),
        "result": make_result_serializer(operation)(allow_null=True, help_text="Only when it SUCCEEDED."),
        "fault": FaultSerializer(allow_null=True, help_text="Only when it FAILED or is UNKNOWN."),
        **make_partial_fields(operation),
    }
    return type(f"{operation.message}ActionResponse", (ResponseSerializer,), members)


def _make_entry_serializers() -> dict[str, serializers.Serializer | type[serializers.Serializer]]:
    return {
        operation.message: make_response_entry_serializer(operation)
        for operation in registry.list_bundleable()
    }


@extend_schema_field(
    PolymorphicProxySerializer(
        "BundleActionResponse", _make_entry_serializers, resource_type_field_name="message"
    )
)
class ResponseField(serializers.Field):
    """One response; its message decides its fields."""
