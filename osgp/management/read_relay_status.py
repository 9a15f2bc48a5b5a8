"""ReadRelayStatus: whether a meter lets power through, and what its switch may do."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, TypedDict

from osgp import platform_time
from osgp.accounts.functions import DeviceFunctionGroup
from osgp.devices.models import RelayStatus
from osgp.management.disconnect_control import TAG, ask_for_switch, find_status
from osgp.messages.operation import MeterOperation, Service
from osgp.messages.partial_reads import list_unavailable_fields, read_fields
from osgp.messages.registry import register
from osgp.messages.shapes import NoParameters
from osgp.messages.unavailable import UnavailableList
from osgp.messages.visited_meter import VisitedMeter


class ReadRelayStatusResult(TypedDict):
    """Values that the meter does not report are null."""

    relay_status: Annotated[RelayStatus, "The status now stored with the device."]
    output_state: Annotated[bool | None, "Whether the output has power: the switch itself."]
    control_state: Annotated[RelayStatus | None, "State of the meter's disconnect control."]
    control_mode: Annotated[int | None, "0 to 6: who may switch, and how (Blue Book, class 70)."]
    as_of: Annotated[datetime, "When the platform asked."]
    unavailable: UnavailableList


@register
class ReadRelayStatus(MeterOperation[NoParameters, ReadRelayStatusResult]):
    """Ask a meter whether it is connected, disconnected or ready for reconnection.

    The status is kept with the device, and shown by GetDevices as last known. It is the control state, or
    if the meter reports none, the state of its output.
    """

    message = "ReadRelayStatus"
    service = Service.MANAGEMENT
    granted_to = frozenset(
        {
            DeviceFunctionGroup.OWNER,
            DeviceFunctionGroup.MANAGEMENT,
            DeviceFunctionGroup.MONITORING,
            DeviceFunctionGroup.RELAY,
        }
    )
    needs = (TAG,)

    def perform(self, meter: VisitedMeter, parameters: NoParameters) -> ReadRelayStatusResult:
        as_of = platform_time.now()
        fields = read_fields(meter, ask_for_switch(meter))
        output, control, mode = fields
        if output.fault and control.fault:
            raise control.fault
        return {
            "relay_status": control.value or find_status(output.value),
            "output_state": output.value,
            "control_state": control.value,
            "control_mode": mode.value,
            "as_of": as_of,
            "unavailable": list_unavailable_fields(fields),
        }

    def list_device_changes(
        self, parameters: NoParameters, result: ReadRelayStatusResult
    ) -> Mapping[str, Any]:
        return {"relay_status": result["relay_status"], "relay_status_as_of": result["as_of"]}
