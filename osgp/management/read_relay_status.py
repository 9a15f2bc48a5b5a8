"""ReadRelayStatus: whether a meter lets power through, and what its switch may do."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, TypedDict

from django.utils import timezone

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.cosem.errors import make_illegal_response
from osgp.cosem.quantities import parse_whole_number
from osgp.devices.models import RelayStatus
from osgp.messages.operation import MeterOperation, Service
from osgp.messages.partial_reads import AskedField, FieldProblem, list_problems, read_fields
from osgp.messages.registry import register
from osgp.messages.shapes import NoParameters
from osgp.messages.visited_meter import VisitedMeter
from osgp.protocol_dlms import Data

CONTROL_STATES = (RelayStatus.DISCONNECTED, RelayStatus.CONNECTED, RelayStatus.READY_FOR_RECONNECTION)
"""In the order of the enumeration (Blue Book, class 70)."""
LARGEST_CONTROL_MODE = 6


class ReadRelayStatusResult(TypedDict):
    """Values that the meter does not report are null."""

    relay_status: Annotated[RelayStatus, "The status now stored with the device."]
    output_state: Annotated[bool | None, "Whether the output has power: the switch itself."]
    control_state: Annotated[RelayStatus | None, "State of the meter's disconnect control."]
    control_mode: Annotated[int | None, "0 to 6: who may switch, and how (Blue Book, class 70)."]
    as_of: Annotated[datetime, "When the platform asked."]
    problems: list[FieldProblem]


@register
class ReadRelayStatus(MeterOperation[NoParameters, ReadRelayStatusResult]):
    """Ask a meter whether it is connected, disconnected or ready for reconnection.

    The status is kept with the device, and shown by GetDevices as last known. It is the control state, or
    if the meter reports none, the state of its output.
    """

    message = "ReadRelayStatus"
    service = Service.MANAGEMENT
    granted_to = frozenset(
        {DeviceFunctionGroup.OWNER, DeviceFunctionGroup.MANAGEMENT, DeviceFunctionGroup.MONITORING}
    )
    needs = ("DISCONNECT_CONTROL",)

    def perform(self, meter: VisitedMeter, parameters: NoParameters) -> ReadRelayStatusResult:
        understand = {
            "output_state": _parse_output_state,
            "control_state": _parse_control_state,
            "control_mode": _parse_control_mode,
        }
        as_of = timezone.now()
        fields = read_fields(
            meter,
            [
                AskedField(name, meter.find_attribute("DISCONNECT_CONTROL", name), function)
                for name, function in understand.items()
            ],
        )
        output, control, mode = fields
        if output.fault and control.fault:
            raise control.fault
        return {
            "relay_status": control.value or _find_status(output.value),
            "output_state": output.value,
            "control_state": control.value,
            "control_mode": mode.value,
            "as_of": as_of,
            "problems": list_problems(fields),
        }

    def list_device_changes(
        self, parameters: NoParameters, result: ReadRelayStatusResult
    ) -> Mapping[str, Any]:
        return {"relay_status": result["relay_status"], "relay_status_as_of": result["as_of"]}


def _find_status(output_state: bool) -> RelayStatus:
    return RelayStatus.CONNECTED if output_state else RelayStatus.DISCONNECTED


def _parse_output_state(data: Data) -> bool:
    if not isinstance(data.value, bool):
        raise make_illegal_response("The output state is no boolean.")
    return data.value


def _parse_control_state(data: Data) -> RelayStatus:
    state = parse_whole_number(data, "the control state")
    if state is None or not 0 <= state < len(CONTROL_STATES):
        raise make_illegal_response(f"The control state {state} is none of the Blue Book.")
    return CONTROL_STATES[state]


def _parse_control_mode(data: Data) -> int:
    mode = parse_whole_number(data, "the control mode")
    if mode is None or not 0 <= mode <= LARGEST_CONTROL_MODE:
        raise make_illegal_response(f"The control mode {mode} is none of the Blue Book.")
    return mode
