"""ClearMBusStatusOnAllChannels: let M-Bus devices raise alarms anew."""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.catalogue import Profile
from osgp.catalogue.obis import MBUS_CHANNELS
from osgp.cosem.errors import illegal
from osgp.cosem.quantities import whole_number
from osgp.faults import Component, Fault
from osgp.protocol_dlms import Data, DataType
from osgp.protocol_dlms.errors import AccessError
from osgp.requests.meter import VisitedMeter
from osgp.requests.operation import MeterOperation, ParameterValues, Service
from osgp.requests.partial_reads import AskedField, read_fields
from osgp.requests.registry import register
from osgp.requests.serializers import BooleanField, CharField, IntegerField, StrictSerializer

READ, CLEAR, CLIENT = "READ_MBUS_STATUS", "CLEAR_MBUS_STATUS", "MBUS_CLIENT_SETUP"
RESET_ALARM = 4


class MbusStatusSerializer(StrictSerializer):
    """The status of one channel before it was cleared."""

    channel = IntegerField()
    status = IntegerField(allow_null=True, help_text="32 bits; null when the channel tells none.")
    bits = serializers.ListField(child=CharField(), help_text="Which were set, such as BIT_2_REVERSE_FLOW.")
    cleared = BooleanField(help_text="False when there was nothing to clear.")


class ClearMBusStatusOnAllChannelsResult(StrictSerializer):
    channels = MbusStatusSerializer(many=True)


@register
class ClearMBusStatusOnAllChannels(MeterOperation):
    """Clear the status of the M-Bus devices on all four channels, so that they can raise alarms anew.

    The result tells what it was. Meters can do so from SMR 5.1.

    Only the bits that were read are cleared: one that is set in the meantime is not lost. A channel on which
    something goes wrong does not keep the others from being cleared; the request then fails, and says which
    channels were cleared.
    """

    message = "ClearMBusStatusOnAllChannels"
    service = Service.MANAGEMENT
    granted_to = frozenset({DeviceFunctionGroup.OWNER, DeviceFunctionGroup.MANAGEMENT})
    Result = ClearMBusStatusOnAllChannelsResult

    def supports(self, profile: Profile) -> bool:
        return all(tag in profile for tag in (READ, CLEAR, CLIENT))

    def perform(self, meter: VisitedMeter, parameters: ParameterValues) -> Mapping[str, Any]:
        # All three before anything is sent.
        read, clear, client = (meter.object(tag) for tag in (READ, CLEAR, CLIENT))
        asked = [AskedField(str(channel), read.attribute(2, channel), _status) for channel in MBUS_CHANNELS]
        channels: list[dict[str, Any]] = []
        faults: dict[int, Fault] = {}
        for channel, field in zip(MBUS_CHANNELS, read_fields(meter.association, asked), strict=True):
            status = field.value
            try:
                if field.fault:
                    raise field.fault
                if status:
                    meter.association.set(
                        clear.attribute(2, channel), Data(DataType.DOUBLE_LONG_UNSIGNED, status)
                    )
                    meter.association.action(client.method(RESET_ALARM, channel), Data(DataType.INTEGER, 0))
            except Fault as fault:
                if not meter.association.is_open:
                    raise
                faults[channel] = fault
            else:
                bits = read.flags.of(status or 0).names if read.flags else ()
                channels.append({"channel": channel, "status": status, "bits": bits, "cleared": bool(status)})
        if faults:
            raise _summary(faults, [row["channel"] for row in channels if row["cleared"]])
        return {"channels": channels}


def _status(data: Data) -> int | None:
    status = whole_number(data, "the M-Bus status")
    if status is not None and not 0 <= status < 1 << 32:
        raise illegal(f"The M-Bus status {status} is no number of 32 bits.")
    return status


def _summary(faults: Mapping[int, Fault], cleared: list[int]) -> Fault:
    """One fault for all channels on which something went wrong."""
    first = next(iter(faults.values()))
    told = " ".join(f"Channel {channel}: {fault.message.rstrip('.')}." for channel, fault in faults.items())
    rest = f" Cleared: {', '.join(map(str, cleared))}." if cleared else " No channel was cleared."
    retryable = not any(isinstance(fault, AccessError) for fault in faults.values())
    return Fault(first.code, told + rest, component=Component.PROTOCOL_DLMS, retryable=retryable)
