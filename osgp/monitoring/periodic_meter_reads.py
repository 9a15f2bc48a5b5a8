"""PeriodicMeterReads: what the electricity registers showed at the end of each interval, day or month."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, NotRequired, TypedDict

from osgp.catalogue import CaptureColumn
from osgp.cosem.amr_status import NO_FLAGS, STATUS, find_captured_flags
from osgp.cosem.quantities import Scale, find_meter_reading_scale
from osgp.faults import Fault
from osgp.messages.buffer_reading import read_buffer
from osgp.messages.buffer_rows import BufferRows, WantedColumn
from osgp.messages.buffers import Buffer, find_column
from osgp.messages.partial_reads import choose_fault
from osgp.messages.registry import register
from osgp.messages.rejected_rows import RejectedRowCount, RejectedRowList
from osgp.messages.relative_periods import Between
from osgp.messages.row_results import CompleteUntil
from osgp.messages.scales import read_each_scaler_unit
from osgp.messages.shapes import HIDDEN
from osgp.messages.unavailable import Unavailable, UnavailableList
from osgp.messages.visited_meter import VisitedMeter
from osgp.monitoring.cells import make_status_reader, read_totals
from osgp.monitoring.expected_columns import find_status, list_expected, list_missing
from osgp.monitoring.periodic_reads import (
    NothingMissing,
    PeriodicReads,
    PeriodType,
    need_any_buffer,
)
from osgp.monitoring.periods import BetweenResult
from osgp.monitoring.reads import (
    NO_SCALE,
    AmrProfileStatus,
    QuantityOfSomeRows,
    Reads,
    make_read_column,
)

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
    unavailable: UnavailableList
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
    ) -> tuple[Reads[PeriodicMeterRead], BufferRows, list[Unavailable]]:
        columns = buffer.columns
        expected = [column for column in list_expected(meter, buffer.tag) if column.channel is None]
        captured = {tag: find_column(columns, meter.find_attribute(tag, "value")) for tag in _order(meter)}
        tags = [
            tag
            for tag, column in captured.items()
            if column is not None or any(tag == each.tag for each in expected)
        ]
        scales, unscaled = _read_scales(
            meter, [tag for tag in tags if captured[tag] is not None], group=buffer.tag
        )
        status = find_status([column for column in columns if _is_sent(column)])
        flags = find_captured_flags(meter.profile, [status.tag]) if status else None
        wanted = [
            WantedColumn(
                status.tag if status else STATUS, status, make_status_reader((flags or NO_FLAGS).largest)
            ),
            *(WantedColumn(tag, captured[tag] if tag in scales else None, read_totals) for tag in tags),
        ]
        found = read_buffer(meter, buffer, wanted, *between, is_sent=_is_sent)
        statuses, *numbers = found.columns
        read = [
            make_read_column(
                REGISTERS[tag],
                tag,
                scales.get(tag, NO_SCALE),
                column,
            )
            for tag, column in zip(tags, numbers, strict=True)
        ]
        missing = list_missing(buffer.tag, expected, wanted) | unscaled
        return Reads(found.times, read, statuses, flags), found, found.list_problems(missing)


def _read_scales(
    meter: VisitedMeter, tags: Sequence[str], group: str
) -> tuple[dict[str, Scale], dict[str, str]]:
    """The scales of registers, and why some have none. Raises Fault if none has, or asking again may help."""
    scales: dict[str, Scale] = {}
    faults: dict[str, Fault] = {}
    for tag, found in read_each_scaler_unit(meter, tags, group).items():
        if not isinstance(found, Fault):
            scales[tag] = find_meter_reading_scale(found, tag)
        elif found.retryable:
            raise found
        else:
            faults[tag] = found
    if faults and not scales:
        raise choose_fault(faults.values())
    return scales, {tag: fault.message for tag, fault in faults.items()}


def _order(meter: VisitedMeter) -> list[str]:
    """The tags of the registers that the profile knows."""
    return [tag for tag in REGISTERS if tag in meter.profile]


def _is_sent(column: CaptureColumn) -> bool:
    """Everything but values of M-Bus meters, which a buffer may have as well."""
    return column.channel is None
