"""PeriodicMeterReads: what the electricity registers showed at the end of each interval, day or month."""

from collections.abc import Mapping, Sequence
from typing import Any

from osgp.catalogue import CaptureColumn
from osgp.cosem.profile_rows import Selection, TimedRow
from osgp.cosem.quantities import meter_reading_scale
from osgp.messages.operation import ParameterValues
from osgp.messages.readings import Period
from osgp.messages.registry import register
from osgp.messages.rejected_rows import rejected_row_count_field, rejected_rows_field, told
from osgp.messages.serializers import ChoiceField, DateTimeField, StrictSerializer
from osgp.messages.visited_meter import VisitedMeter
from osgp.monitoring.buffer_reading import RowReader, read_buffer
from osgp.monitoring.periodic_reads import (
    AMR_STATUS,
    PERIOD_TYPES,
    PeriodicReads,
    reading_of,
    status_of,
)
from osgp.monitoring.periods import complete_until_field
from osgp.monitoring.reads import ReadColumn, Reads, SometimesQuantityField, StatusField
from osgp.monitoring.scales import scaler_units

REGISTERS = {
    "ACTIVE_ENERGY_IMPORT": "active_energy_import",
    "ACTIVE_ENERGY_EXPORT": "active_energy_export",
    "ACTIVE_ENERGY_IMPORT_RATE_1": "active_energy_import_tariff_one",
    "ACTIVE_ENERGY_IMPORT_RATE_2": "active_energy_import_tariff_two",
    "ACTIVE_ENERGY_EXPORT_RATE_1": "active_energy_export_tariff_one",
    "ACTIVE_ENERGY_EXPORT_RATE_2": "active_energy_export_tariff_two",
}


class PeriodicMeterReadSerializer(StrictSerializer):
    """What the registers showed: totals at the end of an interval, tariffs at the end of a day or month."""

    log_time = DateTimeField()
    active_energy_import = SometimesQuantityField()
    active_energy_export = SometimesQuantityField()
    active_energy_import_tariff_one = SometimesQuantityField()
    active_energy_import_tariff_two = SometimesQuantityField()
    active_energy_export_tariff_one = SometimesQuantityField()
    active_energy_export_tariff_two = SometimesQuantityField()
    amr_profile_status = StatusField()


class PeriodicMeterReadsResult(StrictSerializer):
    """Values from begin_date to end_date, both included, oldest first."""

    period_type = ChoiceField(PERIOD_TYPES)
    periodic_meter_reads = PeriodicMeterReadSerializer(many=True)
    complete_until = complete_until_field()
    rejected_rows = rejected_rows_field()
    rejected_row_count = rejected_row_count_field()


@register
class PeriodicMeterReads(PeriodicReads):
    """Read the stored interval, daily or monthly values of an electricity meter.

    A meter holds ten days of intervals, 40 days and 13 months. More at a time is refused; what it no longer
    holds is not in the result.
    """

    message = "PeriodicMeterReads"
    Result = PeriodicMeterReadsResult
    buffers = {
        Period.INTERVAL: ("INTERVAL_VALUES_E",),
        Period.DAILY: ("DAILY_VALUES_E", "DAILY_VALUES_COMBINED"),
        Period.MONTHLY: ("MONTHLY_VALUES_E", "MONTHLY_VALUES_COMBINED"),
    }
    rows_name = "periodic_meter_reads"

    def perform(self, meter: VisitedMeter, parameters: ParameterValues) -> Mapping[str, Any]:
        buffer = self.buffer(meter.profile, parameters, channel=None)
        tags = [column.tag for column in buffer.columns if column.tag in REGISTERS]
        units = scaler_units(meter, tags)
        scales = {tag: meter_reading_scale(unit, tag) for tag, unit in units.items()}
        begin, end = self.part_of_time(meter, buffer, parameters)
        found = read_buffer(meter, buffer, _is_wanted, begin, end, _reader)
        times, statuses, *numbers = zip(*found.rows, strict=True) if found.rows else [()] * (2 + len(tags))
        columns = [
            ReadColumn(REGISTERS[tag], tag, scales[tag], column)
            for tag, column in zip(tags, numbers, strict=True)
        ]
        has_status = any(column.tag.startswith(AMR_STATUS) for column in buffer.columns)
        return {
            "period_type": parameters["period_type"],
            "periodic_meter_reads": Reads(times, columns, statuses if has_status else None),
            "capture_period": buffer.period.seconds if buffer.period else 0,
            "complete_until": found.complete_until,
            **told(found.rejected),
        }


def _is_wanted(column: CaptureColumn) -> bool:
    """Clock, status and electricity registers; nothing of M-Bus meters, which a buffer may have as well."""
    return column.channel is None


def _reader(selection: Selection, columns: Sequence[CaptureColumn]) -> RowReader:
    """Reads the status and the registers of a row."""
    status: int | None = None
    registers: list[tuple[int, str]] = []
    for position, column in zip(selection.positions, columns, strict=True):
        if column.tag.startswith(AMR_STATUS):
            status = position
        elif column.tag in REGISTERS:
            registers.append((position, column.tag))

    def read(row: TimedRow) -> tuple[int | None, ...]:
        cells = row.cells
        flags = None if status is None else status_of(cells[status])
        return flags, *[reading_of(cells[position], tag) for position, tag in registers]

    return read
