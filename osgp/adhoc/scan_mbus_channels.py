"""ScanMbusChannels: which devices are on the four M-Bus channels of a meter."""

from typing import Annotated, TypedDict

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.catalogue.obis import MBUS_CHANNELS
from osgp.cosem import mbus
from osgp.messages.operation import MeterOperation, Service
from osgp.messages.partial_reads import (
    AskedField,
    ReadField,
    list_unavailable_fields,
    read_fields,
    require_any,
)
from osgp.messages.registry import register
from osgp.messages.shapes import NoParameters
from osgp.messages.unavailable import UnavailableList
from osgp.messages.visited_meter import VisitedMeter

TAG = "MBUS_CLIENT_SETUP"
_FIELDS = 5


class MbusChannel(TypedDict):
    """One channel; unknown values are null."""

    channel: int
    occupied: Annotated[bool | None, "Whether a device is installed; null if the channel reports too little."]
    mbus_identification_number: Annotated[str | None, "Eight digits."]
    mbus_manufacturer: Annotated[str | None, "Three letters; null on an empty channel."]
    mbus_version: int | None
    mbus_device_type: int | None
    mbus_primary_address: int | None
    unavailable: UnavailableList


class ScanMbusChannelsResult(TypedDict):
    """Channels 1 to 4."""

    channels: list[MbusChannel]


@register
class ScanMbusChannels(MeterOperation[NoParameters, ScanMbusChannelsResult]):
    """Read which devices are on the four M-Bus channels of an electricity meter.

    The field names are those of AddDevice. A value that the meter refuses, or that is invalid, is null and
    listed as unavailable with its channel; the others are read all the same. Nothing changes on the platform.
    """

    message = "ScanMbusChannels"
    service = Service.ADHOC
    granted_to = frozenset(
        {DeviceFunctionGroup.OWNER, DeviceFunctionGroup.AD_HOC, DeviceFunctionGroup.INSTALLATION}
    )
    needs = (TAG,)

    def perform(self, meter: VisitedMeter, parameters: NoParameters) -> ScanMbusChannelsResult:
        asked = [field for channel in MBUS_CHANNELS for field in _list_fields(meter, channel)]
        fields = read_fields(meter, asked)
        require_any(fields)
        return {
            "channels": [
                _describe_channel(channel, fields[index * _FIELDS : (index + 1) * _FIELDS])
                for index, channel in enumerate(MBUS_CHANNELS)
            ]
        }


def _list_fields(meter: VisitedMeter, channel: int) -> list[AskedField]:
    class_version = meter.find_object(TAG).class_version
    return [
        AskedField(
            "mbus_primary_address", meter.find_attribute(TAG, "primary_address", channel), mbus.parse_octet
        ),
        AskedField(
            "mbus_identification_number",
            meter.find_attribute(TAG, "identification_number", channel),
            lambda data: mbus.parse_identification_number(data, class_version),
        ),
        AskedField(
            "mbus_manufacturer",
            meter.find_attribute(TAG, "manufacturer_id", channel),
            mbus.parse_manufacturer,
        ),
        AskedField("mbus_version", meter.find_attribute(TAG, "version", channel), mbus.parse_octet),
        AskedField("mbus_device_type", meter.find_attribute(TAG, "device_type", channel), mbus.parse_octet),
    ]


def _describe_channel(channel: int, fields: list[ReadField]) -> MbusChannel:
    primary_address, identification_number, manufacturer, version, device_type = (
        field.value for field in fields
    )
    unavailable = list_unavailable_fields(fields)
    is_empty = mbus.MbusShortId(identification_number, manufacturer, version, device_type).is_empty
    return {
        "channel": channel,
        "occupied": None if unavailable and is_empty else not is_empty,
        "mbus_identification_number": identification_number,
        "mbus_manufacturer": manufacturer,
        "mbus_version": version,
        "mbus_device_type": device_type,
        "mbus_primary_address": primary_address,
        "unavailable": unavailable,
    }
