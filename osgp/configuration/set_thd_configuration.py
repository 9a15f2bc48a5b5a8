"""SetThdConfiguration: when a meter counts the distortion of its currents as over the limit."""

from collections.abc import Mapping
from typing import Annotated, Any, TypedDict

from rest_framework.exceptions import ValidationError

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.catalogue import CosemObject, Profile
from osgp.catalogue.units import ScalerUnit
from osgp.cosem.integers import encode_integer
from osgp.cosem.quantities import Quantity, Scale, parse_whole_number
from osgp.faults import Fault, FaultCode
from osgp.messages.changes import Setting, change_by_name
from osgp.messages.operation import MeterOperation, Service
from osgp.messages.registry import register
from osgp.messages.scales import read_scaler_units
from osgp.messages.serializers import IntegerField
from osgp.messages.visited_meter import VisitedMeter
from osgp.protocol_dlms import Data

TAGS: Mapping[str, str] = {
    "value_threshold": "THD_VALUE_THRESHOLD",
    "value_hysteresis": "THD_VALUE_HYSTERESIS",
    "min_duration_normal_to_over": "THD_MIN_DURATION_NORMAL_TO_OVER",
    "min_duration_over_to_normal": "THD_MIN_DURATION_OVER_TO_NORMAL",
    "time_threshold": "THD_TIME_THRESHOLD",
}
"""Registers by parameter, in the order in which they are written."""

Percent = Annotated[int, IntegerField(min_value=0, max_value=2**16 - 1)]
Seconds = Annotated[int, IntegerField(min_value=0, max_value=2**32 - 1)]


class SetThdConfigurationParameters(TypedDict):
    """The limits of the total harmonic distortion."""

    value_threshold: Annotated[Percent, "Percent; more is over the limit."]
    value_hysteresis: Annotated[Percent, "Percent below the threshold at which it is normal again."]
    min_duration_normal_to_over: Annotated[Seconds, "Seconds over the limit until it counts as over it."]
    min_duration_over_to_normal: Annotated[Seconds, "Seconds of normal distortion until it counts as normal."]
    time_threshold: Annotated[Seconds, "Seconds over the limit until it counts as long over it."]


class ThdSettingChange(TypedDict):
    """One of the settings, read from the meter."""

    before: Annotated[Quantity | None, "Null if the meter did not say."]
    after: Annotated[Quantity | None, "Null if the meter does not say."]


class SetThdConfigurationResult(TypedDict):
    """All settings."""

    value_threshold: ThdSettingChange
    value_hysteresis: ThdSettingChange
    min_duration_normal_to_over: ThdSettingChange
    min_duration_over_to_normal: ThdSettingChange
    time_threshold: ThdSettingChange


@register
class SetThdConfiguration(MeterOperation[SetThdConfigurationParameters, SetThdConfigurationResult]):
    """Set when a meter counts the total harmonic distortion of its currents as over the limit.

    The hysteresis must be below the threshold. The standards state no other limits than those of the data
    types, so a threshold may be over 100 %. The five registers are written in one request, where the meter
    takes lists, and read back. Values are converted by the scaler of each register.
    """

    message = "SetThdConfiguration"
    service = Service.CONFIGURATION
    granted_to = frozenset({DeviceFunctionGroup.OWNER, DeviceFunctionGroup.CONFIGURATION})
    needs = tuple(TAGS.values())

    def check_parameters(self, parameters: SetThdConfigurationParameters) -> None:
        """Refuse a hysteresis that is not below the threshold. Raises ValidationError."""
        if parameters["value_hysteresis"] >= parameters["value_threshold"]:
            raise ValidationError({"value_hysteresis": ["Must be below value_threshold."]})

    def check_profile(self, profile: Profile, parameters: SetThdConfigurationParameters) -> None:
        """Also refuse what the registers of the profile cannot hold, with fault 401."""
        super().check_profile(profile, parameters)
        for name, tag in TAGS.items():
            scaler_unit = profile[tag]["scaler_unit"].scaler_unit
            if scaler_unit is not None:
                _encode(name, profile[tag], scaler_unit, _get(parameters, name))

    def perform(
        self, meter: VisitedMeter, parameters: SetThdConfigurationParameters
    ) -> SetThdConfigurationResult:
        scales = _find_scales(meter)
        settings = [
            Setting(
                name,
                meter.find_attribute(tag, "value"),
                _encode(name, meter.find_object(tag), scales[name], _get(parameters, name)),
                _make_reader(name, scales[name]),
            )
            for name, tag in TAGS.items()
        ]
        changes = change_by_name(meter, settings)

        def tell(name: str) -> ThdSettingChange:
            return {"before": changes[name].before, "after": changes[name].after}

        return {
            "value_threshold": tell("value_threshold"),
            "value_hysteresis": tell("value_hysteresis"),
            "min_duration_normal_to_over": tell("min_duration_normal_to_over"),
            "min_duration_over_to_normal": tell("min_duration_over_to_normal"),
            "time_threshold": tell("time_threshold"),
        }


def _get(parameters: Mapping[str, Any], name: str) -> int:
    value: int = parameters[name]
    return value


def _find_scales(meter: VisitedMeter) -> dict[str, ScalerUnit]:
    """Scaler and unit by parameter, as the meter counts. Raises Fault for one that nobody tells."""
    found = read_scaler_units(meter, list(TAGS.values()))
    return {name: found[tag] for name, tag in TAGS.items()}


def _encode(name: str, register_: CosemObject, scaler_unit: ScalerUnit, value: int) -> Data:
    """The number of a register for a value. Raises Fault 401 if it cannot hold it."""
    scaler = scaler_unit.scaler
    number, rest = divmod(value, 10**scaler) if scaler > 0 else (value * 10**-scaler, 0)
    try:
        if rest:
            raise ValueError(f"{value} is no multiple of {10**scaler}")
        return encode_integer(register_["value"], number)
    except ValueError as error:
        raise Fault(
            FaultCode.VALIDATION_ERROR,
            f"{register_.tag} cannot have the value {value} {scaler_unit.unit.symbol}: {error}.",
            pointer=f"/{name}",
        ) from error


def _make_reader(name: str, scaler_unit: ScalerUnit) -> Any:
    scale = Scale(*scaler_unit)

    def read(data: Data) -> Quantity | None:
        number = parse_whole_number(data, name)
        return None if number is None else scale.apply(number)

    return read
