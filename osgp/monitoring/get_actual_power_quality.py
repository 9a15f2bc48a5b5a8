"""GetActualPowerQuality: voltages, currents, powers and counters of failures as they are now."""

from datetime import datetime
from typing import Annotated, TypedDict

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.catalogue import CosemObject
from osgp.cosem.quantities import format_decimal, parse_number
from osgp.faults import Fault
from osgp.messages.descriptions import Answers, read_described
from osgp.messages.operation import MeterOperation, Service
from osgp.messages.partial_reads import choose_fault
from osgp.messages.registry import register
from osgp.messages.scales import choose_scaler_unit, describe_registers, is_register
from osgp.messages.unavailable import UnavailableList, list_unavailable
from osgp.messages.visited_meter import VisitedMeter
from osgp.monitoring.log_times import read_log_time
from osgp.monitoring.power_quality import PowerQualityParameters, ProfileType, is_requested
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
    log_time: Annotated[datetime | None, "The meter's clock, also if it is unavailable for being wrong."]
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
        (clock, *answers), descriptions = read_described(
            meter,
            f"{self.message} {profile_type}",
            [
                meter.find_attribute(CLOCK, "time"),
                *(meter.find_attribute(item.tag, "value") for item in items),
            ],
            describe_registers(meter, [item.tag for item in items if is_register(item)]),
        )
        values: list[PowerQualityValue] = []
        missing: dict[str, Fault] = {}
        for item, answer in zip(items, answers, strict=True):
            try:
                values.append(_read_value(meter, item, answer, descriptions))
            except Fault as fault:
                missing[item.tag] = fault
        if missing and not values:
            raise choose_fault(missing.values())
        log_time = read_log_time(meter, clock)
        return {
            "profile_type": profile_type,
            "log_time": log_time.shown,
            "power_quality_values": values,
            "unavailable": list_unavailable(log_time.faults | missing),
        }


def _read_value(
    meter: VisitedMeter, item: CosemObject, answer: Data | Fault, descriptions: Answers
) -> PowerQualityValue:
    """Name, value and unit. Raises Fault for what could not be read or makes no sense."""
    if isinstance(answer, Fault):
        raise answer
    number = parse_number(answer, item.tag)
    scaler, symbol = 0, None
    if is_register(item):
        scaler, unit = choose_scaler_unit(meter, item.tag, descriptions)
        symbol = unit.symbol
    value = None if number is None else format_decimal(number, scaler)
    return {"name": item.tag, "value": value, "unit": symbol}
