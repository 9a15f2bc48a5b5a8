"""SetDeviceLifecycleStatusByChannel: the lifecycle status of the device that is found on an M-Bus channel."""

from typing import TYPE_CHECKING, Annotated, TypedDict

from osgp import platform_time
from osgp.accounts.functions import DeviceFunctionGroup
from osgp.accounts.rights import list_granted_devices
from osgp.audit.changes import tell_change
from osgp.cosem import mbus
from osgp.devices.models import MBUS_DEVICE_TYPES, Device, LifecycleStatus
from osgp.faults import Fault, FaultCode
from osgp.messages.operation import ConcludedOperation, Service
from osgp.messages.registry import register
from osgp.messages.serializers import IntegerField
from osgp.messages.visited_meter import VisitedMeter

if TYPE_CHECKING:
    from osgp.accounts.models import Organisation

TAG = "MBUS_CLIENT_SETUP"


class SetDeviceLifecycleStatusByChannelParameters(TypedDict):
    """Which device, and its status."""

    channel: Annotated[int, IntegerField(min_value=1, max_value=4), "M-Bus channel of the meter."]
    lifecycle_status: LifecycleStatus


class DeviceOnChannel(TypedDict):
    """The device that the meter has on the channel."""

    short_id: mbus.MbusShortId


class SetDeviceLifecycleStatusByChannelResult(TypedDict):
    """The status that was set."""

    channel: int
    mbus_device_identification: Annotated[str, "The device whose lifecycle status was set."]
    lifecycle_status: LifecycleStatus


@register
class SetDeviceLifecycleStatusByChannel(
    ConcludedOperation[
        SetDeviceLifecycleStatusByChannelParameters,
        DeviceOnChannel,
        SetDeviceLifecycleStatusByChannelResult,
    ]
):
    """Ask a meter which device is on one of its M-Bus channels, and set the lifecycle status of that device.

    The device is known by its M-Bus identification number and manufacturer; of several with the same, it is
    the one that is coupled to this channel. The organisation needs the right on that device, too: others
    count as unknown. Nothing is written to the meter.

    Fault 219: there is no device on the channel. Fault 218: no device of the organisation matches.
    """

    message = "SetDeviceLifecycleStatusByChannel"
    service = Service.MANAGEMENT
    granted_to = frozenset({DeviceFunctionGroup.OWNER, DeviceFunctionGroup.MANAGEMENT})
    needs = (TAG,)

    def perform(
        self, meter: VisitedMeter, parameters: SetDeviceLifecycleStatusByChannelParameters
    ) -> DeviceOnChannel:
        channel = parameters["channel"]
        class_version = meter.find_object(TAG).class_version
        values = meter.get_all(
            [meter.find_attribute(TAG, attribute, channel) for attribute in mbus.SHORT_ID_ATTRIBUTES]
        )
        found = mbus.parse_short_id(values[0], values[1], values[2], values[3], class_version)
        if not found.manufacturer or not found.device_type:
            raise Fault(
                FaultCode.NO_DEVICE_FOUND_ON_CHANNEL,
                f"There is no device on channel {channel} of {meter.identification}.",
            )
        return {"short_id": found}

    def conclude(
        self,
        organisation: "Organisation",
        device: Device,
        parameters: SetDeviceLifecycleStatusByChannelParameters,
        answer: DeviceOnChannel,
    ) -> SetDeviceLifecycleStatusByChannelResult:
        channel, status = parameters["channel"], parameters["lifecycle_status"]
        found = answer["short_id"]
        matching = list(
            list_granted_devices(organisation, self.granted_to)
            .filter(
                device_type__in=MBUS_DEVICE_TYPES,
                mbus_identification_number=found.identification_number or mbus.NO_IDENTIFICATION,
                mbus_manufacturer=found.manufacturer,
            )
            .order_by("identification")
        )
        coupled = [item for item in matching if (item.gateway_id, item.channel) == (device.pk, channel)]
        chosen = coupled or matching
        if len(chosen) != 1:
            number = "Several devices have" if chosen else "No device has"
            raise Fault(
                FaultCode.NO_MATCHING_MBUS_DEVICE_FOUND,
                f"{number} the M-Bus identification {found.manufacturer} {found.identification_number}, "
                f"which is on channel {channel} of {device.identification}.",
            )
        Device.objects.filter(pk=chosen[0].pk).update(lifecycle_status=status, updated_at=platform_time.now())
        tell_change(chosen[0], {"lifecycle_status": (chosen[0].lifecycle_status, status)})
        return {
            "channel": channel,
            "mbus_device_identification": chosen[0].identification,
            "lifecycle_status": status,
        }
