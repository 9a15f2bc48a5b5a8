"""PeriodicMeterReads: what the electricity registers showed at the end of each interval, day or month."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Annotated, NotRequired, TypedDict

from osgp.catalogue import CaptureColumn, Flags
from osgp.cosem.amr_status import NO_FLAGS, find_captured_flags, is_status
from osgp.cosem.profile_rows import Selection, TimedRow
from osgp.cosem.quantities import find_meter_reading_scale
from osgp.messages.registry import register
from osgp.messages.rejected_rows import RejectedRowCount, RejectedRowList
from osgp.messages.relative_periods import Between
from osgp.messages.shapes import HIDDEN
from osgp.messages.visited_meter import VisitedMeter
from osgp.monitoring.buffer_reading import BufferRows, RowReader, read_buffer
from osgp.monitoring.periodic_reads import (
    NothingMissing,
    PeriodicReads,
    PeriodType,
    need_any_buffer,
    read_register,
    read_status,
)
from osgp.monitoring.periods import BetweenResult, Buffer, CompleteUntil
from osgp.monitoring.reads import AmrProfileStatus, QuantityOfSomeRows, ReadColumn, Reads
from osgp.monitoring.scales import read_scaler_units

REGISTERS = {
    "ACTIVE_ENERGY_IMPORT": "active_energy_import",
    "ACTIVE_ENERGY_EXPORT": "active_energy_export",
    "ACTIVE_ENERGY_IMPORT_RATE_1": "active_energy_import_tariff_one",
    "ACTIVE_ENERGY_IMPORT_RATE_2": "active_energy_import_tariff_two",
    "ACTIVE_ENERGY_EXPORT_RATE_1": "active_energy_export_tariff_one",
    "ACTIVE_ENERGY_EXPORT_RATE_2": "active_energy_export_tariff_two",
}


class PeriodicMeterRead(TypedDict):
    """What the registers showed: totals at the end of an interval, tariffs at the end of a day or month."""

    log_time: datetime
    active_energy_import: NotRequired[QuantityOfSomeRows]
    active_energy_export: NotRequired[QuantityOfSomeRows]
    active_energy_import_tariff_one: NotRequired[QuantityOfSomeRows]
    active_energy_import_tariff_two: NotRequired[QuantityOfSomeRows]
    active_energy_export_tariff_one: NotRequired[QuantityOfSomeRows]
    active_energy_export_tariff_two: NotRequired[QuantityOfSomeRows]
    amr_profile_status: AmrProfileStatus


class PeriodicMeterReadsResult(BetweenResult):
    """Values from begin_date to end_date, both included, oldest first."""

    period_type: PeriodType
    periodic_meter_reads: Reads[PeriodicMeterRead]
    complete_until: CompleteUntil
    rejected_rows: RejectedRowList
    rejected_row_count: RejectedRowCount
    nothing_missing: NotRequired[NothingMissing]
    capture_period: Annotated[int | None, HIDDEN]


@register
class PeriodicMeterReads(PeriodicReads[PeriodicMeterReadsResult]):
    """Read the stored interval, daily or monthly values of an electricity meter.

    A meter holds ten days of intervals, 40 days and 13 months, or what else its profile says. More at a time
    is refused; what it no longer holds is not in the result.
    """

    message = "PeriodicMeterReads"
    buffers = {
        PeriodType.INTERVAL: ("INTERVAL_VALUES_E",),
        PeriodType.DAILY: ("DAILY_VALUES_E", "DAILY_VALUES_COMBINED"),
        PeriodType.MONTHLY: ("MONTHLY_VALUES_E", "MONTHLY_VALUES_COMBINED"),
    }
    needs = ("CLOCK", need_any_buffer(buffers))
    rows_name = "periodic_meter_reads"

    def read_rows(
        self, meter: VisitedMeter, buffer: Buffer, between: Between
    ) -> tuple[Reads[PeriodicMeterRead], BufferRows]:
        tags = [column.tag for column in buffer.columns if column.tag in REGISTERS]
        units = read_scaler_units(meter, tags)
        scales = {tag: find_meter_reading_scale(unit, tag) for tag, unit in units.items()}
        wanted = filter(_is_wanted, buffer.columns)
        flags = find_captured_flags(meter.profile, [column.tag for column in wanted])
        make_reader = partial(_make_reader, flags or NO_FLAGS)
        found = read_buffer(meter, buffer, _is_wanted, *between, make_reader)
        times, statuses, *numbers = zip(*found.rows, strict=True) if found.rows else [()] * (2 + len(tags))
        columns = [
            ReadColumn(REGISTERS[tag], tag, scales[tag], column)
            for tag, column in zip(tags, numbers, strict=True)
        ]
        return Reads(times, columns, statuses, flags), found


def _is_wanted(column: CaptureColumn) -> bool:
    """Clock, status and electricity registers; nothing of M-Bus meters, which a buffer may have as well."""
    return column.channel is None


def _make_reader(flags: Flags, selection: Selection, columns: Sequence[CaptureColumn]) -> RowReader:
    """Reads the status and the registers of a row."""
    largest = flags.largest
    status: int | None = None
    registers: list[tuple[int, str]] = []
    for position, column in zip(selection.positions, columns, strict=True):
        if is_status(column.tag):
            status = position
        elif column.tag in REGISTERS:
            registers.append((position, column.tag))

    def read(row: TimedRow) -> tuple[int | None, ...]:
        cells = row.cells
        bits = None if status is None else read_status(cells[status], largest)
        return bits, *[read_register(cells[position], tag) for position, tag in registers]

    return read
