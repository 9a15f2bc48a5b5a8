"""ScanMbusChannels: which devices are on the four M-Bus channels of a meter."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.catalogue import Profile
from osgp.catalogue.obis import MBUS_CHANNELS
from osgp.cosem import mbus
from osgp.cosem.errors import illegal
from osgp.cosem.quantities import whole_number
from osgp.faults import Fault
from osgp.protocol_dlms import AccessResult, Data
from osgp.requests.meter import VisitedMeter
from osgp.requests.operation import MeterOperation, ParameterValues, Service
from osgp.requests.registry import register
from osgp.requests.serializers import BooleanField, CharField, IntegerField, StrictSerializer

TAG = "MBUS_CLIENT_SETUP"


class Told(NamedTuple):
    """One thing that a channel tells: the attribute, and how to understand its value."""

    attribute_id: int
    understand: Callable[[Data, int], Any]


def _octet(data: Data, class_version: int) -> int | None:
    number = whole_number(data, "the attribute")
    if number is not None and not 0 <= number <= 0xFF:
        raise illegal(f"{number} is outside 0..255.")
    return number


TOLD = {
    "mbus_primary_address": Told(5, _octet),
    "mbus_identification_number": Told(6, mbus.identification_number),
    "mbus_manufacturer": Told(7, lambda data, class_version: mbus.manufacturer(data)),
    "mbus_version": Told(8, _octet),
    "mbus_device_type": Told(9, _octet),
}
"""Names are those of AddDevice."""


class ChannelProblemSerializer(StrictSerializer):
    """Something that a channel does not tell."""

    field = CharField()
    reason = CharField(help_text="The access result, or why the value makes no sense.")


class MbusChannelSerializer(StrictSerializer):
    """One channel; what is not known is null."""

    channel = IntegerField()
    occupied = BooleanField(
        allow_null=True, help_text="Whether a device is installed; null when the channel does not tell all."
    )
    mbus_identification_number = CharField(allow_null=True, help_text="Eight digits.")
    mbus_manufacturer = CharField(allow_null=True, help_text="Three letters; null on an empty channel.")
    mbus_version = IntegerField(allow_null=True)
    mbus_device_type = IntegerField(allow_null=True)
    mbus_primary_address = IntegerField(allow_null=True)
    problems = ChannelProblemSerializer(many=True)


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
        attributes = [
            client.attribute(told.attribute_id, channel)
            for channel in MBUS_CHANNELS
            for told in TOLD.values()
        ]
        values = meter.association.get_each(attributes)
        return {
            "channels": [
                _channel(channel, {name: next(values) for name in TOLD}, client.class_version)
                for channel in MBUS_CHANNELS
            ]
        }


def _channel(channel: int, values: Mapping[str, Data | AccessResult | Fault], version: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    problems: list[dict[str, str]] = []
    for name, value in values.items():
        try:
            found[name] = _understood(TOLD[name], value, version)
        except Fault as fault:
            found[name] = None
            problems.append({"field": name, "reason": fault.message})
    short_id = mbus.MbusShortId(
        found["mbus_identification_number"],
        found["mbus_manufacturer"],
        found["mbus_version"],
        found["mbus_device_type"],
    )
    return {
        "channel": channel,
        "occupied": None if problems and short_id.is_empty else not short_id.is_empty,
        "problems": problems,
        **found,
    }


def _understood(told: Told, value: Data | AccessResult | Fault, version: int) -> Any:
    if isinstance(value, AccessResult):
        raise illegal(value.name)
    if isinstance(value, Fault):
        raise value
    return told.understand(value, version)
