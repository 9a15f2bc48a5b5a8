"""GetMbusEncryptionKeyStatusByChannel: the same of whatever device is on an M-Bus channel."""

from typing import Annotated, TypedDict

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.configuration.get_mbus_encryption_key_status import ATTRIBUTE, STATUS
from osgp.configuration.mbus_keys import TAG
from osgp.cosem import mbus
from osgp.cosem.mbus import EncryptionKeyStatus, parse_encryption_key_status
from osgp.messages.operation import MeterOperation, Service
from osgp.messages.registry import register
from osgp.messages.serializers import IntegerField
from osgp.messages.visited_meter import VisitedMeter


class GetMbusEncryptionKeyStatusByChannelParameters(TypedDict):
    """Which channel."""

    channel: Annotated[int, IntegerField(min_value=1, max_value=4), "M-Bus channel of the meter."]


class GetMbusEncryptionKeyStatusByChannelResult(TypedDict):
    """What the meter says of the key on the channel."""

    channel: int
    encryption_key_status: EncryptionKeyStatus


@register
class GetMbusEncryptionKeyStatusByChannel(
    MeterOperation[GetMbusEncryptionKeyStatusByChannelParameters, GetMbusEncryptionKeyStatusByChannelResult]
):
    """Read from a meter how far the device on one of its M-Bus channels has got with its user key.

    NO_ENCRYPTION_KEY if there is no device on the channel.
    """

    message = "GetMbusEncryptionKeyStatusByChannel"
    service = Service.CONFIGURATION
    granted_to = frozenset({DeviceFunctionGroup.OWNER, DeviceFunctionGroup.CONFIGURATION})
    needs = (TAG, STATUS)

    def perform(
        self, meter: VisitedMeter, parameters: GetMbusEncryptionKeyStatusByChannelParameters
    ) -> GetMbusEncryptionKeyStatusByChannelResult:
        channel = parameters["channel"]
        return {"channel": channel, "encryption_key_status": _read_status(meter, channel)}


def _read_status(meter: VisitedMeter, channel: int) -> EncryptionKeyStatus:
    manufacturer, device_type = meter.get_all(
        [meter.find_attribute(TAG, name, channel) for name in ("manufacturer_id", "device_type")]
    )
    # A meter may go on showing the status of a device that has been removed.
    if not mbus.parse_manufacturer(manufacturer) or not mbus.parse_octet(device_type, "device type"):
        return EncryptionKeyStatus.NO_ENCRYPTION_KEY
    return parse_encryption_key_status(meter.get(TAG, ATTRIBUTE, channel))
