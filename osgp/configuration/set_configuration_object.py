"""SetConfigurationObject: turn flags of a meter on or off, and choose its GPRS operation mode."""

from collections.abc import Mapping
from typing import Annotated, Any, NotRequired, TypedDict

from rest_framework.exceptions import ValidationError

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.catalogue import Profile
from osgp.configuration.configuration_object import (
    TAG,
    ConfigurationFlag,
    MeterConfiguration,
    describe,
    list_device_changes,
    make_setting,
    require_mode,
)
from osgp.configuration.named_switches import check_names
from osgp.cosem.configuration_object import Configuration, GprsOperationMode, has_mode, parse
from osgp.messages.changes import Change, put
from osgp.messages.needs import Needs, named_flag
from osgp.messages.operation import MeterOperation, Service
from osgp.messages.registry import register
from osgp.messages.shapes import HIDDEN
from osgp.messages.visited_meter import VisitedMeter

MODE, FLAGS = "gprs_operation_mode", "configuration_flags"


class _ModeNeed:
    """The GPRS operation mode, which is not an object of its own."""

    def is_met_by(self, profile: Profile) -> bool:
        return has_mode(profile)

    def __str__(self) -> str:
        return f"a GPRS operation mode in {TAG}"


class SetConfigurationObjectParameters(TypedDict):
    """What is to change: the mode, flags, or both."""

    gprs_operation_mode: NotRequired[
        Annotated[GprsOperationMode, "Up to SMR 4.3 only. Left out: as the meter has it."]
    ]
    configuration_flags: NotRequired[
        Annotated[list[ConfigurationFlag], "At least one, each once. All other flags stay as they are."]
    ]


class SetConfigurationObjectResult(TypedDict):
    """The configuration object of the meter, read from it."""

    before: MeterConfiguration
    after: Annotated[MeterConfiguration | None, "Null if the meter does not let it be read any more."]
    change: Annotated[Change, HIDDEN]


@register
class SetConfigurationObject(MeterOperation[SetConfigurationObjectParameters, SetConfigurationObjectResult]):
    """Turn flags of a meter's configuration object on or off, and choose its GPRS operation mode.

    The meter's value is read first: flags that are not named keep what the meter has, and so do bits without
    a name and, unless it is given, the mode. Nothing is written if nothing would change; otherwise the value
    is read back. A flag that the meter's profile does not have is refused (416), also to turn it off; so is a
    mode where there is none. A meter whose mode is neither of the two is given one with its flags, or
    nothing is written.

    Whether HLS 3, 4 and 5 are on at P3 is kept with the device, as by GetConfigurationObject.
    """

    message = "SetConfigurationObject"
    service = Service.CONFIGURATION
    granted_to = frozenset({DeviceFunctionGroup.OWNER, DeviceFunctionGroup.CONFIGURATION})
    needs = (TAG,)

    def check_parameters(self, parameters: SetConfigurationObjectParameters) -> None:
        """Refuse a request for nothing, and flags that are named twice. Raises ValidationError."""
        if FLAGS in parameters:
            check_names(FLAGS, "flag", [item["flag"] for item in parameters["configuration_flags"]])
        elif MODE not in parameters:
            raise ValidationError({FLAGS: [f"Required, unless there is a {MODE}."]})

    def list_needs(self, parameters: SetConfigurationObjectParameters) -> Mapping[str, Needs]:
        needs: dict[str, Needs] = {MODE: (_ModeNeed(),)} if MODE in parameters else {}
        for position, item in enumerate(parameters.get("configuration_flags", ())):
            needs[f"{FLAGS}/{position}/flag"] = (named_flag(item["flag"], TAG),)
        return needs

    def perform(
        self, meter: VisitedMeter, parameters: SetConfigurationObjectParameters
    ) -> SetConfigurationObjectResult:
        before = parse(meter.get(TAG, "value"), meter.profile)
        flags = {item["flag"]: item["enabled"] for item in parameters.get("configuration_flags", ())}
        wanted = before.merge(flags, parameters.get("gprs_operation_mode"))
        require_mode(wanted)
        after: Configuration | None = before
        if wanted != before:
            [after] = put(meter, [make_setting(meter, wanted, "the configuration object")])
        return {
            "before": describe(before),
            "after": None if after is None else describe(after),
            "change": Change(before, after),
        }

    def list_device_changes(
        self, parameters: SetConfigurationObjectParameters, result: SetConfigurationObjectResult
    ) -> Mapping[str, Any]:
        return list_device_changes(*result["change"])
