"""ActualMeterReads: what the electricity registers say now."""

from collections.abc import Iterator, Mapping
from typing import Any

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.cosem.clock import complete_moment
from osgp.cosem.quantities import quantity, scaler_unit
from osgp.messages.operation import MeterOperation, ParameterValues, Service
from osgp.messages.readings import Period, Readings
from osgp.messages.registry import register
from osgp.messages.serializers import DateTimeField, QuantityField, StrictSerializer
from osgp.messages.visited_meter import VisitedMeter

REGISTERS = {
    "active_energy_import": "ACTIVE_ENERGY_IMPORT",
    "active_energy_import_tariff_one": "ACTIVE_ENERGY_IMPORT_RATE_1",
    "active_energy_import_tariff_two": "ACTIVE_ENERGY_IMPORT_RATE_2",
    "active_energy_export": "ACTIVE_ENERGY_EXPORT",
    "active_energy_export_tariff_one": "ACTIVE_ENERGY_EXPORT_RATE_1",
    "active_energy_export_tariff_two": "ACTIVE_ENERGY_EXPORT_RATE_2",
}


class ActualMeterReadsResult(StrictSerializer):
    log_time = DateTimeField(help_text="The meter's clock.")
    active_energy_import = QuantityField(allow_null=True)
    active_energy_import_tariff_one = QuantityField(allow_null=True)
    active_energy_import_tariff_two = QuantityField(allow_null=True)
    active_energy_export = QuantityField(allow_null=True)
    active_energy_export_tariff_one = QuantityField(allow_null=True)
    active_energy_export_tariff_two = QuantityField(allow_null=True)


@register
class ActualMeterReads(MeterOperation):
    """Read the clock and the six energy registers of an electricity meter."""

    message = "ActualMeterReads"
    service = Service.MONITORING
    granted_to = frozenset({DeviceFunctionGroup.OWNER, DeviceFunctionGroup.MONITORING})
    Result = ActualMeterReadsResult

    def perform(self, meter: VisitedMeter, parameters: ParameterValues) -> Mapping[str, Any]:
        in_profile = {tag: meter.object(tag).attributes[3].scaler_unit for tag in REGISTERS.values()}
        from_meter = [tag for tag, known in in_profile.items() if known is None]
        clock, *values = meter.get_all(
            [
                meter.attribute("CLOCK"),
                *(meter.attribute(tag) for tag in REGISTERS.values()),
                *(meter.attribute(tag, 3) for tag in from_meter),
            ]
        )
        log_time = complete_moment(clock, "The meter's clock")
        units = {**in_profile}
        for tag, data in zip(from_meter, values[len(REGISTERS) :], strict=True):
            units[tag] = scaler_unit(data, tag)
        result: dict[str, Any] = {"log_time": log_time}
        for (name, tag), data in zip(REGISTERS.items(), values, strict=False):
            known = units[tag]
            assert known is not None
            result[name] = quantity(data, known, tag)
        return result

    def readings(self, parameters: ParameterValues, result: Mapping[str, Any]) -> Iterator[Readings]:
        read_at = (result["log_time"],)
        for name, tag in REGISTERS.items():
            if (said := result[name]) is not None:
                yield Readings(tag, Period.ACTUAL, read_at, (said.value,), said.unit)
