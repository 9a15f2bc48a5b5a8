"""SetMbusUserKeyByChannel: a new user key for the device that is found on an M-Bus channel."""

from typing import Annotated, TypedDict

from osgp.configuration.mbus_keys import FORMS, TAG, USER_KEY, replace_key
from osgp.cosem import mbus
from osgp.faults import Component, Fault, FaultCode
from osgp.messages.operation import MeterOperation, Service
from osgp.messages.registry import register
from osgp.messages.serializers import IntegerField
from osgp.messages.visited_meter import VisitedMeter


class SetMbusUserKeyByChannelParameters(TypedDict):
    """Which device."""

    channel: Annotated[int, IntegerField(min_value=1, max_value=4), "M-Bus channel of the meter."]


class SetMbusUserKeyByChannelResult(TypedDict):
    """The device that has a new key."""

    channel: int
    mbus_device_identification: str


@register
class SetMbusUserKeyByChannel(
    MeterOperation[SetMbusUserKeyByChannelParameters, SetMbusUserKeyByChannelResult]
):
    """Ask a meter which device is on one of its M-Bus channels, and give that device a new user key.

    The device is the electricity meter. The M-Bus device is known by its M-Bus identification number and
    manufacturer; it need not be coupled to the meter. The organisation needs the right on that device, too:
    others count as unknown. Otherwise as SetEncryptionKeyExchangeOnGMeter for G_METER_ENCRYPTION_KEY.

    Fault 201: there is no device on the channel, or no known one.
    """

    message = "SetMbusUserKeyByChannel"
    service = Service.CONFIGURATION
    needs = (TAG, FORMS[USER_KEY])
    # As SetEncryptionKeyExchangeOnGMeter.
    repeatable = True

    def perform(
        self, meter: VisitedMeter, parameters: SetMbusUserKeyByChannelParameters
    ) -> SetMbusUserKeyByChannelResult:
        channel = parameters["channel"]
        number, manufacturer = meter.get_all(
            [
                meter.find_attribute(TAG, name, channel)
                for name in ("identification_number", "manufacturer_id")
            ]
        )
        identification_number = mbus.parse_identification_number(number, meter.find_object(TAG).class_version)
        letters = mbus.parse_manufacturer(manufacturer)
        if identification_number is None or letters is None:
            raise Fault(
                FaultCode.UNKNOWN_DEVICE,
                f"There is no device on channel {channel} of {meter.identification}.",
                component=Component.PROTOCOL_DLMS,
            )
        keys = meter.find_mbus_keys(identification_number, letters)
        replace_key(meter, keys, USER_KEY, channel)
        return {"channel": channel, "mbus_device_identification": keys.identification}
