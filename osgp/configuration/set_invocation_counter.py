"""SetInvocationCounter: an operator raises the invocation counter that the platform has of a meter."""

from typing import Annotated, TypedDict

from osgp.audit.keeping import record
from osgp.audit.models import AuditEvent
from osgp.catalogue.communication import Security
from osgp.devices import invocation_counters
from osgp.devices.models import Device, DeviceType
from osgp.faults import Fault, FaultCode
from osgp.messages.known_devices import KnownDeviceOperation
from osgp.messages.operation import Sender, Service
from osgp.messages.registry import register
from osgp.messages.serializers import CharField, IntegerField

LARGEST_COUNTER = invocation_counters.END - 1


class SetInvocationCounterParameters(TypedDict):
    """The new value, and why it is set."""

    invocation_counter: Annotated[
        int,
        IntegerField(min_value=0, max_value=LARGEST_COUNTER),
        "The first value that was not used yet: one more than the last one that the meter accepted.",
    ]
    reason: Annotated[str, CharField(max_length=500, trim_whitespace=True), "For the audit trail."]


class SetInvocationCounterResult(TypedDict):
    """The counter before and now."""

    former_value: Annotated[int | None, "Null: it was not known."]
    invocation_counter: int


@register
class SetInvocationCounter(KnownDeviceOperation[SetInvocationCounterParameters, SetInvocationCounterResult]):
    """Set the invocation counter of a meter's unicast encryption key, as the platform has it.

    For a meter that refuses the platform because it has seen higher values, and does not tell its counter. It
    is only ever raised: a lower value would be used twice with the same key, and is refused with 808. Both
    values and the reason are in the audit trail. No meter is contacted.
    """

    message = "SetInvocationCounter"
    service = Service.CONFIGURATION
    device_types = frozenset({DeviceType.SMART_METER_E})

    def check_change(
        self, sender: Sender, device: Device, parameters: SetInvocationCounterParameters
    ) -> None:
        """Raises Fault 401 for an M-Bus device, 407 for a meter that does not encrypt, and what
        :func:`invocation_counters.check_raise` raises.
        """
        if device.is_mbus:
            _refuse(
                FaultCode.VALIDATION_ERROR,
                f"{self.message} is for {DeviceType.SMART_METER_E}; {device.identification} is a "
                f"{device.device_type}, and read with the keys of its gateway.",
            )
        if device.security != Security.HLS5:
            _refuse(
                FaultCode.UNSUPPORTED_DEVICE_ACTION,
                f"{device.identification} has security {device.security}; only meters with {Security.HLS5} "
                "have an invocation counter.",
            )
        invocation_counters.check_raise(device.pk, parameters["invocation_counter"])

    def change(
        self, sender: Sender, device: Device, parameters: SetInvocationCounterParameters
    ) -> SetInvocationCounterResult:
        value = parameters["invocation_counter"]
        former_value = invocation_counters.set_by_operator(device.pk, value)
        record(
            AuditEvent.INVOCATION_COUNTER_SET,
            organisation=sender.organisation.identification,
            actor=sender.application,
            device=device.identification,
            correlation_uid=sender.correlation_uid,
            details={
                "former_value": former_value,
                "invocation_counter": value,
                "reason": parameters["reason"].strip(),
            },
        )
        return {"former_value": former_value, "invocation_counter": value}


def _refuse(code: FaultCode, message: str) -> None:
    raise Fault(code, message, pointer="/device_identification")
