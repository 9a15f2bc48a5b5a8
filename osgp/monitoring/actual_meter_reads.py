"""ActualMeterReads: what the electricity registers say now."""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, TypedDict

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.cosem.quantities import Quantity, parse_quantity
from osgp.faults import Fault
from osgp.messages.descriptions import read_described
from osgp.messages.needs import any_of
from osgp.messages.operation import MeterOperation, Service
from osgp.messages.partial_reads import choose_fault
from osgp.messages.readings import Period, Readings
from osgp.messages.registry import register
from osgp.messages.scales import choose_scaler_unit, describe_registers
from osgp.messages.shapes import HIDDEN, NoParameters
from osgp.messages.unavailable import UnavailableList, list_unavailable
from osgp.messages.visited_meter import VisitedMeter
from osgp.monitoring.log_times import read_log_time

REGISTERS = {
    "active_energy_import": "ACTIVE_ENERGY_IMPORT",
    "active_energy_import_tariff_one": "ACTIVE_ENERGY_IMPORT_RATE_1",
    "active_energy_import_tariff_two": "ACTIVE_ENERGY_IMPORT_RATE_2",
    "active_energy_export": "ACTIVE_ENERGY_EXPORT",
    "active_energy_export_tariff_one": "ACTIVE_ENERGY_EXPORT_RATE_1",
    "active_energy_export_tariff_two": "ACTIVE_ENERGY_EXPORT_RATE_2",
}


class ActualMeterReadsResult(TypedDict):
    """A register that meters of the profile do not have, that has no value, or is unavailable, is null."""

    log_time: Annotated[datetime | None, "The meter's clock, also if it is unavailable for being wrong."]
    active_energy_import: Quantity | None
    active_energy_import_tariff_one: Quantity | None
    active_energy_import_tariff_two: Quantity | None
    active_energy_export: Quantity | None
    active_energy_export_tariff_one: Quantity | None
    active_energy_export_tariff_two: Quantity | None
    unavailable: UnavailableList
    read_at: Annotated[datetime, HIDDEN]


@register
class ActualMeterReads(MeterOperation[NoParameters, ActualMeterReadsResult]):
    """Read the clock and the energy registers of an electricity meter.

    What the meter refuses, or what makes no sense, is unavailable; the request fails only if no register has
    a value for such a reason.
    """

    message = "ActualMeterReads"
    service = Service.MONITORING
    granted_to = frozenset({DeviceFunctionGroup.OWNER, DeviceFunctionGroup.MONITORING})
    needs = ("CLOCK", any_of(*REGISTERS.values()))

    def perform(self, meter: VisitedMeter, parameters: NoParameters) -> ActualMeterReadsResult:
        tags = {name: tag for name, tag in REGISTERS.items() if tag in meter.profile}
        (clock, *values), descriptions = read_described(
            meter,
            self.message,
            [
                meter.find_attribute("CLOCK", "time"),
                *(meter.find_attribute(tag, "value") for tag in tags.values()),
            ],
            describe_registers(meter, list(tags.values())),
        )
        found: dict[str, Quantity | None] = {}
        faults: dict[str, Fault] = {}
        for (name, tag), data in zip(tags.items(), values, strict=True):
            try:
                if isinstance(data, Fault):
                    raise data
                found[tag] = parse_quantity(data, choose_scaler_unit(meter, tag, descriptions), tag)
            except Fault as fault:
                faults[name] = fault
        if faults and not found:
            raise choose_fault(faults.values())
        log_time = read_log_time(meter, clock)
        return {
            "log_time": log_time.shown,
            "active_energy_import": found.get("ACTIVE_ENERGY_IMPORT"),
            "active_energy_import_tariff_one": found.get("ACTIVE_ENERGY_IMPORT_RATE_1"),
            "active_energy_import_tariff_two": found.get("ACTIVE_ENERGY_IMPORT_RATE_2"),
            "active_energy_export": found.get("ACTIVE_ENERGY_EXPORT"),
            "active_energy_export_tariff_one": found.get("ACTIVE_ENERGY_EXPORT_RATE_1"),
            "active_energy_export_tariff_two": found.get("ACTIVE_ENERGY_EXPORT_RATE_2"),
            "unavailable": list_unavailable(log_time.faults | faults),
            "read_at": log_time.read_at,
        }

    def list_readings(self, parameters: NoParameters, result: ActualMeterReadsResult) -> Iterator[Readings]:
        read_at = result["read_at"]
        for name, tag in REGISTERS.items():
            if (said := result[name]) is not None:  # type: ignore[literal-required]
                yield Readings.from_value(tag, Period.ACTUAL, read_at, said.value, said.unit)
