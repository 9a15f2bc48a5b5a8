"""Serializers that document the bodies about batches in the API."""

from functools import cache

from drf_spectacular.utils import PolymorphicProxySerializer, extend_schema_field
from rest_framework import serializers

from osgp.batches.models import BatchSource, BatchState
from osgp.bundle.actions import MOST_ACTIONS
from osgp.bundle.bundle import Bundle
from osgp.faults import FaultCode
from osgp.fleet.contents import may_be_batch_action, may_be_batched
from osgp.fleet.submission import BatchFields
from osgp.messages.operation import Operation
from osgp.messages.registry import list_operations
from osgp.messages.serializers import ChoiceField
from osgp.requests.api.responses import FaultSerializer

CONTENT = "The message, with those of a bundle: `Bundle: PeriodicMeterReads ×2, SynchronizeTime`."


class BatchDeviceSerializer(serializers.Serializer):
    """One device of the list: it has a request, or a fault that says why it was left out."""

    device_identification = serializers.CharField()
    correlation_uid = serializers.UUIDField(allow_null=True)
    fault = FaultSerializer(allow_null=True)


class BatchSummarySerializer(serializers.Serializer):
    """A batch, without its counts."""

    uid = serializers.UUIDField()
    message = serializers.CharField()
    content = serializers.CharField(help_text=CONTENT)
    status = serializers.ChoiceField(
        choices=BatchState.values,
        help_text="CREATING while requests are being made, RUNNING until all of them are final.",
    )
    source = serializers.ChoiceField(  # type: ignore[assignment]
        choices=BatchSource.values, help_text="Where its devices come from."
    )
    device_group = serializers.CharField(allow_null=True)
    target = serializers.DictField(
        allow_null=True, help_text="MISSING: the filter of missing readings that finds the devices."
    )
    total = serializers.IntegerField(min_value=0, help_text="Requests; an estimate while it is CREATING.")
    skipped = serializers.IntegerField(min_value=0, help_text="Devices that were left out.")
    created_at = serializers.DateTimeField()
    completed_at = serializers.DateTimeField(allow_null=True)
    url = serializers.CharField()


class BatchAcceptedSerializer(BatchSummarySerializer):
    """A batch that was stored."""

    devices = BatchDeviceSerializer(
        many=True, allow_null=True, help_text="In the order of the list; null for a group."
    )


class FaultCountSerializer(serializers.Serializer):
    """How many requests failed with a fault."""

    code = serializers.ChoiceField(choices=[int(code) for code in FaultCode])
    name = serializers.ChoiceField(choices=[code.name for code in FaultCode])
    count = serializers.IntegerField(min_value=1)


class BatchSerializer(BatchSummarySerializer):
    """A batch with its parameters, and its counts by state and by fault."""

    parameters = serializers.DictField(help_text="Those of the message; of a bundle, its `actions`.")
    priority = serializers.IntegerField(min_value=0, max_value=9)
    schedule_time = serializers.DateTimeField(allow_null=True)
    max_schedule_time = serializers.DateTimeField(allow_null=True)
    spread_seconds = serializers.IntegerField(min_value=0)
    requests = serializers.DictField(
        child=serializers.IntegerField(min_value=0), help_text="How many requests are in each state."
    )
    success_rate = serializers.DecimalField(
        max_digits=5,
        decimal_places=4,
        allow_null=True,
        help_text="Succeeded requests among succeeded and failed ones, 0 to 1.",
    )
    faults = FaultCountSerializer(many=True, help_text="Failed requests by fault, most frequent first.")
    fault = FaultSerializer(allow_null=True, help_text="Why no more requests could be made.")
    retry_of = serializers.UUIDField(allow_null=True, help_text="The batch whose failed devices it repeats.")
    schedule = serializers.CharField(allow_null=True, help_text="The schedule that made it.")
    requests_url = serializers.CharField(help_text="Its requests.")


class BatchPageSerializer(serializers.Serializer):
    """Batches, latest first; the Link header with rel="next" leads on."""

    results = BatchSummarySerializer(many=True)


class SkippedPageSerializer(serializers.Serializer):
    """Devices that were left out; the Link header with rel="next" leads on."""

    class SkippedDeviceSerializer(serializers.Serializer):
        """A device that was left out, and why."""

        device_identification = serializers.CharField()
        fault = FaultSerializer()

    results = SkippedDeviceSerializer(many=True)


@cache
def make_body_serializer() -> PolymorphicProxySerializer:
    """Return the serializer of a batch's body: its message's parameters beside the fields of all batches."""
    return PolymorphicProxySerializer(
        component_name="BatchRequest",
        serializers={
            operation.message: type(
                f"{operation.message}Batch",
                (operation.parameters_serializer, BatchFields),
                {"__doc__": f"{operation.message} to many devices.", **_describe_actions(operation)},
            )
            for operation in list_operations()
            if may_be_batched(operation)
        },
        resource_type_field_name="message",
    )


def _describe_actions(operation: Operation) -> dict[str, serializers.Field]:
    """Return the field that stands for a bundle's actions; there is none for other messages."""
    if not isinstance(operation, Bundle):
        return {}
    actions = PolymorphicProxySerializer(
        component_name="BatchAction",
        serializers={
            each.message: type(
                f"{each.message}BatchAction",
                (each.parameters_serializer,),
                {"__doc__": each.__doc__, "message": ChoiceField([each.message])},
            )
            for each in list_operations()
            if may_be_batch_action(each)
        },
        resource_type_field_name="message",
    )

    @extend_schema_field(actions)
    class BatchActionField(serializers.Field):
        """One action, about the meter itself."""

    help_text = f"1 to {MOST_ACTIONS} messages about each meter itself, carried out in this order."
    child = BatchActionField()
    field = serializers.ListField(child=child, min_length=1, max_length=MOST_ACTIONS, help_text=help_text)
    return {"actions": field}
