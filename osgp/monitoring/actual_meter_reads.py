"""ActualMeterReads: what the electricity registers say now."""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, TypedDict

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.cosem.quantities import Quantity, parse_quantity, parse_scaler_unit
from osgp.messages.needs import any_of
from osgp.messages.operation import MeterOperation, Service
from osgp.messages.readings import Period, Readings
from osgp.messages.registry import register
from osgp.messages.shapes import NoParameters
from osgp.messages.visited_meter import VisitedMeter

REGISTERS = {
    "active_energy_import": "ACTIVE_ENERGY_IMPORT",
    "active_energy_import_tariff_one": "ACTIVE_ENERGY_IMPORT_RATE_1",
    "active_energy_import_tariff_two": "ACTIVE_ENERGY_IMPORT_RATE_2",
    "active_energy_export": "ACTIVE_ENERGY_EXPORT",
    "active_energy_export_tariff_one": "ACTIVE_ENERGY_EXPORT_RATE_1",
    "active_energy_export_tariff_two": "ACTIVE_ENERGY_EXPORT_RATE_2",
}


class ActualMeterReadsResult(TypedDict):
    """A register that meters of the profile do not have, or that has no value, is null."""

    log_time: Annotated[datetime, "The meter's clock."]
    active_energy_import: Quantity | None
    active_energy_import_tariff_one: Quantity | None
    active_energy_import_tariff_two: Quantity | None
    active_energy_export: Quantity | None
    active_energy_export_tariff_one: Quantity | None
    active_energy_export_tariff_two: Quantity | None


@register
class ActualMeterReads(MeterOperation[NoParameters, ActualMeterReadsResult]):
    """Read the clock and the energy registers of an electricity meter."""

    message = "ActualMeterReads"
    service = Service.MONITORING
    granted_to = frozenset({DeviceFunctionGroup.OWNER, DeviceFunctionGroup.MONITORING})
    needs = ("CLOCK", any_of(*REGISTERS.values()))

    def perform(self, meter: VisitedMeter, parameters: NoParameters) -> ActualMeterReadsResult:
        tags = [tag for tag in REGISTERS.values() if tag in meter.profile]
        units = {tag: meter.find_object(tag)["scaler_unit"].scaler_unit for tag in tags}
        from_meter = [tag for tag, known in units.items() if known is None]
        clock, *values = meter.get_all(
            [
                meter.find_attribute("CLOCK", "time"),
                *(meter.find_attribute(tag, "value") for tag in tags),
                *(meter.find_attribute(tag, "scaler_unit") for tag in from_meter),
            ]
        )
        log_time = meter.clock.parse(clock, "The meter's clock", near=meter.visit_begin)
        for tag, data in zip(from_meter, values[len(tags) :], strict=True):
            units[tag] = parse_scaler_unit(data, tag)
        found: dict[str, Quantity | None] = {}
        for tag, data in zip(tags, values, strict=False):
            known = units[tag]
            assert known is not None
            found[tag] = parse_quantity(data, known, tag)
        return {
            "log_time": log_time,
            "active_energy_import": found.get("ACTIVE_ENERGY_IMPORT"),
            "active_energy_import_tariff_one": found.get("ACTIVE_ENERGY_IMPORT_RATE_1"),
            "active_energy_import_tariff_two": found.get("ACTIVE_ENERGY_IMPORT_RATE_2"),
            "active_energy_export": found.get("ACTIVE_ENERGY_EXPORT"),
            "active_energy_export_tariff_one": found.get("ACTIVE_ENERGY_EXPORT_RATE_1"),
            "active_energy_export_tariff_two": found.get("ACTIVE_ENERGY_EXPORT_RATE_2"),
        }

    def list_readings(self, parameters: NoParameters, result: ActualMeterReadsResult) -> Iterator[Readings]:
        read_at = (result["log_time"],)
        for name, tag in REGISTERS.items():
            if (said := result[name]) is not None:  # type: ignore[literal-required]
                yield Readings(tag, Period.ACTUAL, read_at, (said.value,), said.unit)
