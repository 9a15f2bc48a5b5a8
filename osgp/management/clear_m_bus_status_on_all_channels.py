"""ClearMBusStatusOnAllChannels: let M-Bus devices raise alarms anew."""

from collections.abc import Mapping
from typing import Annotated, TypedDict

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.catalogue.obis import MBUS_CHANNELS
from osgp.cosem.errors import make_illegal_response
from osgp.cosem.quantities import parse_whole_number
from osgp.faults import Component, Fault
from osgp.messages.operation import MeterOperation, Service
from osgp.messages.partial_reads import AskedField, read_fields
from osgp.messages.registry import register
from osgp.messages.shapes import NoParameters
from osgp.messages.visited_meter import VisitedMeter
from osgp.protocol_dlms import Data, DataType

READ, CLEAR, CLIENT = "READ_MBUS_STATUS", "CLEAR_MBUS_STATUS", "MBUS_CLIENT_SETUP"


class MbusStatus(TypedDict):
    """The status of one channel before it was cleared."""

    channel: int
    status: Annotated[int | None, "32 bits; null if the channel has none."]
    bits: Annotated[list[str], "Which were set, such as BIT_2_REVERSE_FLOW."]
    cleared: Annotated[bool, "False when there was nothing to clear."]


class ClearMBusStatusOnAllChannelsResult(TypedDict):
    """Channels 1 to 4."""

    channels: list[MbusStatus]


@register
class ClearMBusStatusOnAllChannels(MeterOperation[NoParameters, ClearMBusStatusOnAllChannelsResult]):
    """Clear the status of the M-Bus devices on all four channels, so that they can raise alarms anew.

    The result has the former status. Meters need an object for clearing beside that of the status.

    Only the bits that were read are cleared: one that is set in the meantime is not lost. A channel on which
    something goes wrong does not keep the others from being cleared; the request then fails, and says which
    channels were cleared.
    """

    message = "ClearMBusStatusOnAllChannels"
    service = Service.MANAGEMENT
    granted_to = frozenset({DeviceFunctionGroup.OWNER, DeviceFunctionGroup.MANAGEMENT})
    needs = (READ, CLEAR, CLIENT)

    def perform(self, meter: VisitedMeter, parameters: NoParameters) -> ClearMBusStatusOnAllChannelsResult:
        # All three are looked up before anything is sent.
        asked = [
            AskedField(str(channel), meter.find_attribute(READ, "value", channel), _read_status)
            for channel in MBUS_CHANNELS
        ]
        clear = [meter.find_attribute(CLEAR, "value", channel) for channel in MBUS_CHANNELS]
        reset_alarm = [meter.find_method(CLIENT, "reset_alarm", channel) for channel in MBUS_CHANNELS]
        flags = meter.find_object(READ).flags
        fields = read_fields(meter, asked)
        channels: list[MbusStatus] = []
        faults: dict[int, Fault] = {}
        for index, (channel, field) in enumerate(zip(MBUS_CHANNELS, fields, strict=True)):
            status = field.value
            try:
                if field.fault:
                    raise field.fault
                if status:
                    meter.association.set(clear[index], Data(DataType.DOUBLE_LONG_UNSIGNED, status))
                    meter.association.invoke(reset_alarm[index], Data(DataType.INTEGER, 0))
            except Fault as fault:
                if not meter.association.is_open:
                    raise
                faults[channel] = fault
            else:
                bits = list(flags.decode(status or 0).names) if flags else []
                channels.append({"channel": channel, "status": status, "bits": bits, "cleared": bool(status)})
        if faults:
            raise _summarize(faults, [row["channel"] for row in channels if row["cleared"]])
        return {"channels": channels}


def _read_status(data: Data) -> int | None:
    status = parse_whole_number(data, "the M-Bus status")
    if status is not None and not 0 <= status < 1 << 32:
        raise make_illegal_response(f"The M-Bus status {status} is no number of 32 bits.")
    return status


def _summarize(faults: Mapping[int, Fault], cleared: list[int]) -> Fault:
    """One fault for all channels on which something went wrong."""
    first = next(iter(faults.values()))
    reasons = " ".join(
        f"Channel {channel}: {fault.message.rstrip('.')}." for channel, fault in faults.items()
    )
    rest = f" Cleared: {', '.join(map(str, cleared))}." if cleared else " No channel was cleared."
    retryable = all(fault.retryable for fault in faults.values())
    return Fault(first.code, reasons + rest, component=Component.PROTOCOL_DLMS, retryable=retryable)
