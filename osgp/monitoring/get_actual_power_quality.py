"""GetActualPowerQuality: voltages, currents, powers and counters of failures as they are now."""

from datetime import datetime
from typing import Annotated, TypedDict

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.catalogue import CosemObject
from osgp.cosem.quantities import format_decimal, parse_scaler_unit, parse_whole_number
from osgp.faults import Fault
from osgp.messages.operation import MeterOperation, Service
from osgp.messages.registry import register
from osgp.messages.visited_meter import VisitedMeter
from osgp.monitoring.power_quality import PowerQualityParameters, ProfileType, is_requested
from osgp.monitoring.scales import is_register
from osgp.monitoring.unavailable import UnavailableList, list_unavailable
from osgp.protocol_dlms import Data

CLOCK = "CLOCK"


class PowerQualityValue(TypedDict):
    """One quantity, its scaler applied."""

    name: Annotated[str, "Tag of the object, such as INSTANTANEOUS_VOLTAGE_L1."]
    value: Annotated[str | None, "Decimal digits; null: the meter has no value."]
    unit: Annotated[str | None, "Null for plain counters."]


class GetActualPowerQualityResult(TypedDict):
    """The objects of the profile type that meters of this protocol and number of phases have."""

    profile_type: ProfileType
    log_time: Annotated[datetime, "The meter's clock."]
    power_quality_values: list[PowerQualityValue]
    unavailable: UnavailableList


@register
class GetActualPowerQuality(MeterOperation[PowerQualityParameters, GetActualPowerQualityResult]):
    """Read the present power quality values of a meter."""

    message = "GetActualPowerQuality"
    service = Service.MONITORING
    granted_to = frozenset({DeviceFunctionGroup.OWNER, DeviceFunctionGroup.MONITORING})
    needs = (CLOCK,)

    def perform(self, meter: VisitedMeter, parameters: PowerQualityParameters) -> GetActualPowerQualityResult:
        profile_type = parameters["profile_type"]
        items = [
            item
            for item in meter.profile
            if is_requested(item, profile_type, "ACTUAL", polyphase=meter.polyphase)
        ]
        registers = [item for item in items if is_register(item)]
        from_meter = [item.tag for item in registers if item["scaler_unit"].scaler_unit is None]
        clock, *answers = meter.get_each(
            [
                meter.find_attribute(CLOCK, "time"),
                *(meter.find_attribute(item.tag, "value") for item in items),
                *(meter.find_attribute(tag, "scaler_unit") for tag in from_meter),
            ]
        )
        if isinstance(clock, Fault):
            raise clock
        scaling = dict(zip(from_meter, answers[len(items) :], strict=True))
        values: list[PowerQualityValue] = []
        missing: dict[str, Fault] = {}
        for item, answer in zip(items, answers, strict=False):
            try:
                values.append(_read_value(item, answer, scaling.get(item.tag)))
            except Fault as fault:
                missing[item.tag] = fault
        if missing and not values and all(fault.retryable for fault in missing.values()):
            raise next(iter(missing.values()))
        return {
            "profile_type": profile_type,
            "log_time": meter.clock.parse(clock, "The meter's clock", near=meter.visit_begin),
            "power_quality_values": values,
            "unavailable": list_unavailable(missing),
        }


def _read_value(item: CosemObject, answer: Data | Fault, scaling: Data | Fault | None) -> PowerQualityValue:
    """Name, value and unit. Raises Fault for what could not be read or makes no sense.

    ``scaling`` is the scaler_unit of a register for which the profile leaves it open.
    """
    if isinstance(answer, Fault):
        raise answer
    number = parse_whole_number(answer, item.tag)
    if not is_register(item):
        return {"name": item.tag, "value": None if number is None else str(number), "unit": None}
    known = item["scaler_unit"].scaler_unit
    if known is None:
        assert scaling is not None
        if isinstance(scaling, Fault):
            raise scaling
        known = parse_scaler_unit(scaling, item.tag)
    value = None if number is None else format_decimal(number, known.scaler)
    return {"name": item.tag, "value": value, "unit": known.unit.symbol}
