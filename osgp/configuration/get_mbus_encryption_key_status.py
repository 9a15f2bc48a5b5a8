"""GetMbusEncryptionKeyStatus: whether an M-Bus device encrypts its readings with the key that was set."""

from typing import TypedDict

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.configuration.mbus_keys import TAG
from osgp.cosem.mbus import EncryptionKeyStatus, parse_encryption_key_status
from osgp.devices.models import MBUS_DEVICE_TYPES
from osgp.faults import FaultCode
from osgp.messages.needs import listed_attribute
from osgp.messages.operation import MeterOperation, Service
from osgp.messages.registry import register
from osgp.messages.shapes import NoParameters
from osgp.messages.visited_meter import VisitedMeter

ATTRIBUTE = "encryption_key_status"
STATUS = listed_attribute(TAG, ATTRIBUTE)


class GetMbusEncryptionKeyStatusResult(TypedDict):
    """What the gateway says of the device's key."""

    encryption_key_status: EncryptionKeyStatus


@register
class GetMbusEncryptionKeyStatus(MeterOperation[NoParameters, GetMbusEncryptionKeyStatusResult]):
    """Read from its gateway how far a gas (or hydrogen) meter has got with its user key.

    The device is the M-Bus meter itself.
    """

    message = "GetMbusEncryptionKeyStatus"
    service = Service.CONFIGURATION
    granted_to = frozenset({DeviceFunctionGroup.OWNER, DeviceFunctionGroup.CONFIGURATION})
    device_types = MBUS_DEVICE_TYPES
    needs = (TAG, STATUS)
    without_gateway = FaultCode.GATEWAY_DEVICE_NOT_SET_FOR_MBUS_DEVICE
    without_channel = FaultCode.NO_MBUS_DEVICE_CHANNEL_FOUND

    def perform(self, meter: VisitedMeter, parameters: NoParameters) -> GetMbusEncryptionKeyStatusResult:
        return {"encryption_key_status": parse_encryption_key_status(meter.get(TAG, ATTRIBUTE))}
