"""ReadRelayStatus: whether a meter lets power through, and what its switch may do."""

from collections.abc import Mapping
from typing import Any

from django.utils import timezone

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.catalogue import Profile
from osgp.cosem.errors import illegal
from osgp.cosem.quantities import whole_number
from osgp.devices.models import RelayStatus
from osgp.messages.operation import MeterOperation, ParameterValues, Service
from osgp.messages.partial_reads import (
    AskedField,
    FieldProblemSerializer,
    problems_of,
    read_fields,
    values_of,
)
from osgp.messages.registry import register
from osgp.messages.serializers import BooleanField, ChoiceField, DateTimeField, IntegerField, StrictSerializer
from osgp.messages.visited_meter import VisitedMeter
from osgp.protocol_dlms import Data

TAG = "DISCONNECT_CONTROL"
CONTROL_STATES = (RelayStatus.DISCONNECTED, RelayStatus.CONNECTED, RelayStatus.READY_FOR_RECONNECTION)
"""In the order of the enumeration (Blue Book, class 70)."""
LARGEST_CONTROL_MODE = 6


class ReadRelayStatusResult(StrictSerializer):
    """What the meter does not tell is null."""

    relay_status = ChoiceField(RelayStatus, help_text="What is now known of the device.")
    output_state = BooleanField(allow_null=True, help_text="Whether the output has power: the switch itself.")
    control_state = ChoiceField(
        RelayStatus, allow_null=True, help_text="What the meter's disconnect control is in."
    )
    control_mode = IntegerField(
        allow_null=True, help_text="0 to 6: who may switch, and how (Blue Book, class 70)."
    )
    as_of = DateTimeField(help_text="When the platform asked.")
    problems = FieldProblemSerializer(many=True)


@register
class ReadRelayStatus(MeterOperation):
    """Ask a meter whether it is connected, disconnected or ready for reconnection.

    The status is kept with the device, and shown by GetDevices as last known. It is the control state, or
    where the meter tells none, the state of its output.
    """

    message = "ReadRelayStatus"
    service = Service.MANAGEMENT
    granted_to = frozenset(
        {DeviceFunctionGroup.OWNER, DeviceFunctionGroup.MANAGEMENT, DeviceFunctionGroup.MONITORING}
    )
    Result = ReadRelayStatusResult

    def supports(self, profile: Profile) -> bool:
        return TAG in profile

    def perform(self, meter: VisitedMeter, parameters: ParameterValues) -> Mapping[str, Any]:
        asked = [
            AskedField("output_state", meter.attribute(TAG, 2), _output_state),
            AskedField("control_state", meter.attribute(TAG, 3), _control_state),
            AskedField("control_mode", meter.attribute(TAG, 4), _control_mode),
        ]
        as_of = timezone.now()
        fields = read_fields(meter.association, asked)
        output, control, _ = fields
        if output.fault and control.fault:
            raise control.fault
        return {
            "relay_status": control.value or _status_of(output.value),
            **values_of(fields),
            "as_of": as_of,
            "problems": problems_of(fields),
        }

    def device_changes(self, parameters: ParameterValues, result: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"relay_status": result["relay_status"], "relay_status_as_of": result["as_of"]}


def _status_of(output_state: bool) -> RelayStatus:
    return RelayStatus.CONNECTED if output_state else RelayStatus.DISCONNECTED


def _output_state(data: Data) -> bool:
    if not isinstance(data.value, bool):
        raise illegal("The output state is no boolean.")
    return data.value


def _control_state(data: Data) -> RelayStatus:
    state = whole_number(data, "the control state")
    if state is None or not 0 <= state < len(CONTROL_STATES):
        raise illegal(f"The control state {state} is none of the Blue Book.")
    return CONTROL_STATES[state]


def _control_mode(data: Data) -> int:
    mode = whole_number(data, "the control mode")
    if mode is None or not 0 <= mode <= LARGEST_CONTROL_MODE:
        raise illegal(f"The control mode {mode} is none of the Blue Book.")
    return mode
