"""What messages about the configuration object share: its shape in results, and what devices keep of it."""

from collections.abc import Mapping
from typing import Annotated, Any, TypedDict

from osgp.cosem import configuration_object
from osgp.cosem.configuration_object import Configuration, GprsOperationMode, list_flag_names
from osgp.faults import Component, Fault, FaultCode
from osgp.messages.changes import Setting
from osgp.messages.serializers import ChoiceField
from osgp.messages.visited_meter import VisitedMeter
from osgp.protocol_dlms import Data

TAG = configuration_object.TAG
FLAG_NAMES = list_flag_names()
DEVICE_FIELDS = {
    "HLS_3_ON_P3_ENABLE": "hls3_active",
    "HLS_4_ON_P3_ENABLE": "hls4_active",
    "HLS_5_ON_P3_ENABLE": "hls5_active",
}
"""Flags that the platform keeps, and the fields of the device that hold them."""


class ConfigurationFlag(TypedDict):
    """A flag of a meter's configuration object."""

    flag: Annotated[str, ChoiceField(FLAG_NAMES)]
    enabled: bool


class MeterConfiguration(TypedDict):
    """What a meter is configured to do."""

    gprs_operation_mode: Annotated[
        GprsOperationMode | None, "Null if meters of the profile have none, or the meter's is another number."
    ]
    configuration_flags: Annotated[
        list[ConfigurationFlag], "Every flag that the meter's profile knows, in the order of bits."
    ]
    unknown_bits: Annotated[list[int], "Bits that are set and have no name; 0 is the first bit."]


def describe(configuration: Configuration) -> MeterConfiguration:
    """The value of a configuration object as results have it."""
    return {
        "gprs_operation_mode": configuration.mode,
        "configuration_flags": [
            {"flag": name, "enabled": enabled} for name, enabled in configuration.list_flags().items()
        ],
        "unknown_bits": configuration.list_unknown_bits(),
    }


def make_setting(meter: VisitedMeter, configuration: Configuration, name: str) -> Setting:
    """The value to write, which callers know as ``name``."""

    def understand(data: Data) -> Configuration:
        return configuration_object.parse(data, meter.profile)

    return Setting(name, meter.find_attribute(TAG, "value"), configuration.encode(), understand)


def require_mode(configuration: Configuration) -> None:
    """Raise Fault if the GPRS operation mode, which has to be written with the flags, means nothing."""
    if configuration.has_unknown_mode:
        raise Fault(
            FaultCode.ILLEGAL_RESPONSE,
            f"The GPRS operation mode of the meter is {configuration.mode_number}, which is none. "
            "Nothing was written: SetConfigurationObject with a gprs_operation_mode sets it.",
            component=Component.PROTOCOL_DLMS,
        )


def list_device_changes(before: Configuration, after: Configuration | None) -> Mapping[str, Any]:
    """The fields of the device that tell which HLS mechanisms are on at P3.

    Those of flags that the profile lacks are left alone. Without ``after``, the meter does not say any more.
    """
    return {
        DEVICE_FIELDS[name]: None if after is None else after.list_flags()[name]
        for name in before.list_flags()
        if name in DEVICE_FIELDS
    }
