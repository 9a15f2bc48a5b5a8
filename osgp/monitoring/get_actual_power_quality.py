"""GetActualPowerQuality: voltages, currents, powers and counters of failures as they are now."""

from collections.abc import Mapping
from typing import Any

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.catalogue import CosemObject
from osgp.cosem.clock import complete_moment
from osgp.cosem.quantities import decimal_text, scaler_unit, whole_number
from osgp.faults import Fault
from osgp.messages.operation import MeterOperation, ParameterValues, Service
from osgp.messages.registry import register
from osgp.messages.serializers import CharField, ChoiceField, DateTimeField, StrictSerializer
from osgp.messages.visited_meter import VisitedMeter
from osgp.monitoring.each import read_each, told_unavailable, unavailable_field
from osgp.monitoring.power_quality import PowerQualityParameters, takes_part
from osgp.protocol_dlms import Data

CLOCK = "CLOCK"
_DATA = 1


class PowerQualityValueSerializer(StrictSerializer):
    """One quantity, its scaler applied."""

    name = CharField(help_text="Tag of the object, such as INSTANTANEOUS_VOLTAGE_L1.")
    value = CharField(allow_null=True, help_text="Decimal digits; null: the meter has no value.")
    unit = CharField(allow_null=True, help_text="Null for plain counters.")


class GetActualPowerQualityResult(StrictSerializer):
    """The objects of the profile type that meters of this protocol and number of phases have."""

    profile_type = ChoiceField(["PUBLIC", "PRIVATE"])
    log_time = DateTimeField(help_text="The meter's clock.")
    power_quality_values = PowerQualityValueSerializer(many=True)
    unavailable = unavailable_field()


@register
class GetActualPowerQuality(MeterOperation):
    """Read what a meter measures of power quality at this moment."""

    message = "GetActualPowerQuality"
    service = Service.MONITORING
    granted_to = frozenset({DeviceFunctionGroup.OWNER, DeviceFunctionGroup.MONITORING})
    Parameters = PowerQualityParameters
    Result = GetActualPowerQualityResult

    def perform(self, meter: VisitedMeter, parameters: ParameterValues) -> Mapping[str, Any]:
        profile_type = parameters["profile_type"]
        items = [
            item
            for item in meter.profile
            if takes_part(item, profile_type, "ACTUAL", polyphase=meter.polyphase)
        ]
        scaled = [item for item in items if item.class_id != _DATA]
        from_meter = [item.tag for item in scaled if item.attributes[3].scaler_unit is None]
        clock, *answers = read_each(
            meter,
            [
                meter.attribute(CLOCK),
                *(meter.attribute(item.tag) for item in items),
                *(meter.attribute(tag, 3) for tag in from_meter),
            ],
        )
        if isinstance(clock, Fault):
            raise clock
        scaling = dict(zip(from_meter, answers[len(items) :], strict=True))
        values: list[dict[str, Any]] = []
        missing: dict[str, Fault] = {}
        for item, answer in zip(items, answers, strict=False):
            try:
                values.append(_value(item, answer, scaling.get(item.tag)))
            except Fault as fault:
                missing[item.tag] = fault
        return {
            "profile_type": profile_type,
            "log_time": complete_moment(clock, "The meter's clock"),
            "power_quality_values": values,
            "unavailable": told_unavailable(missing),
        }


def _value(item: CosemObject, answer: Data | Fault, scaling: Data | Fault | None) -> dict[str, Any]:
    """Name, value and unit. Raises Fault for what could not be read or makes no sense.

    ``scaling`` is attribute 3 of a register whose scaler and unit the profile leaves open.
    """
    if isinstance(answer, Fault):
        raise answer
    number = whole_number(answer, item.tag)
    if item.class_id == _DATA:
        return {"name": item.tag, "value": None if number is None else str(number), "unit": None}
    known = item.attributes[3].scaler_unit
    if known is None:
        assert scaling is not None
        if isinstance(scaling, Fault):
            raise scaling
        known = scaler_unit(scaling, item.tag)
    value = None if number is None else decimal_text(number, known.scaler)
    return {"name": item.tag, "value": value, "unit": known.unit.symbol}
