"""ScanMbusChannels: which devices are on the four M-Bus channels of a meter."""

from collections.abc import Mapping
from typing import Any

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.catalogue import CosemObject, Profile
from osgp.catalogue.obis import MBUS_CHANNELS
from osgp.cosem import mbus
from osgp.messages.operation import MeterOperation, ParameterValues, Service
from osgp.messages.partial_reads import (
    AskedField,
    FieldProblemSerializer,
    ReadField,
    problems_of,
    read_fields,
    require_any,
    values_of,
)
from osgp.messages.registry import register
from osgp.messages.serializers import BooleanField, CharField, IntegerField, StrictSerializer
from osgp.messages.visited_meter import VisitedMeter

TAG = "MBUS_CLIENT_SETUP"
_FIELDS = 5


class MbusChannelSerializer(StrictSerializer):
    """One channel; what is not known is null."""

    channel = IntegerField()
    occupied = BooleanField(
        allow_null=True,
        help_text="Whether a device is installed; null when the channel tells too little.",
    )
    mbus_identification_number = CharField(allow_null=True, help_text="Eight digits.")
    mbus_manufacturer = CharField(allow_null=True, help_text="Three letters; null on an empty channel.")
    mbus_version = IntegerField(allow_null=True)
    mbus_device_type = IntegerField(allow_null=True)
    mbus_primary_address = IntegerField(allow_null=True)
    problems = FieldProblemSerializer(many=True)


class ScanMbusChannelsResult(StrictSerializer):
    channels = MbusChannelSerializer(many=True)


@register
class ScanMbusChannels(MeterOperation):
    """Read what is on each of the four M-Bus channels of an electricity meter.

    The names are those with which AddDevice tells an M-Bus device. A value that the meter refuses or that
    makes no sense is null, and told among the problems of its channel; it does not keep the others from being
    read. Nothing changes on the platform.
    """

    message = "ScanMbusChannels"
    service = Service.ADHOC
    granted_to = frozenset(
        {DeviceFunctionGroup.OWNER, DeviceFunctionGroup.AD_HOC, DeviceFunctionGroup.INSTALLATION}
    )
    Result = ScanMbusChannelsResult

    def supports(self, profile: Profile) -> bool:
        return TAG in profile

    def perform(self, meter: VisitedMeter, parameters: ParameterValues) -> Mapping[str, Any]:
        client = meter.object(TAG)
        asked = [field for channel in MBUS_CHANNELS for field in _asked(client, channel)]
        fields = read_fields(meter, asked)
        require_any(fields)
        return {
            "channels": [
                _channel(channel, fields[index * _FIELDS : (index + 1) * _FIELDS])
                for index, channel in enumerate(MBUS_CHANNELS)
            ]
        }


def _asked(client: CosemObject, channel: int) -> list[AskedField]:
    version = client.class_version
    return [
        AskedField("mbus_primary_address", client.attribute(5, channel), mbus.octet),
        AskedField(
            "mbus_identification_number",
            client.attribute(6, channel),
            lambda data: mbus.identification_number(data, version),
        ),
        AskedField("mbus_manufacturer", client.attribute(7, channel), mbus.manufacturer),
        AskedField("mbus_version", client.attribute(8, channel), mbus.octet),
        AskedField("mbus_device_type", client.attribute(9, channel), mbus.octet),
    ]


def _channel(channel: int, fields: list[ReadField]) -> dict[str, Any]:
    found = values_of(fields)
    problems = problems_of(fields)
    empty = mbus.MbusShortId(
        found["mbus_identification_number"],
        found["mbus_manufacturer"],
        found["mbus_version"],
        found["mbus_device_type"],
    ).is_empty
    return {
        "channel": channel,
        "occupied": None if problems and empty else not empty,
        "problems": problems,
        **found,
    }
