"""PeriodicMeterReadsGas: what an M-Bus meter showed at the end of each hour, day or month."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, NotRequired, TypedDict

from osgp.catalogue import CaptureColumn
from osgp.catalogue.cosem import AttributeDescriptor
from osgp.cosem.amr_status import NO_FLAGS, find_captured_flags, is_status
from osgp.cosem.errors import UnusableRow
from osgp.cosem.profile_rows import RowTimes, Selection, TimedRow
from osgp.cosem.quantities import Quantity, find_meter_reading_scale
from osgp.devices.models import MBUS_DEVICE_TYPES
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
from osgp.monitoring.reads import AmrProfileStatus, ReadColumn, Reads
from osgp.monitoring.scales import read_scaler_units

VALUE = "MBUS_MASTER_VALUE"


class PeriodicMeterReadGas(TypedDict):
    """A stored value of an M-Bus meter."""

    log_time: Annotated[datetime, "When the gateway stored the value."]
    consumption: Quantity | None
    capture_time: Annotated[
        datetime | None,
        "When the gateway read the value from the M-Bus meter; null if it does not report it.",
    ]
    amr_profile_status: AmrProfileStatus


class PeriodicMeterReadsGasResult(BetweenResult):
    """Values from begin_date to end_date, both included, oldest first."""

    period_type: PeriodType
    periodic_meter_reads_gas: Reads[PeriodicMeterReadGas]
    complete_until: CompleteUntil
    rejected_rows: RejectedRowList
    rejected_row_count: RejectedRowCount
    nothing_missing: NotRequired[NothingMissing]
    capture_period: Annotated[int | None, HIDDEN]


@register
class PeriodicMeterReadsGas(PeriodicReads[PeriodicMeterReadsGasResult]):
    """Read the stored hourly (INTERVAL), daily or monthly values of a gas or hydrogen meter from its gateway.

    The device is the M-Bus meter itself; the platform dials its gateway and reads its channel. A gateway
    holds ten days of hours, 40 days and 13 months, or what else its profile says. More at a time is refused;
    what it no longer holds is not in the result.
    """

    message = "PeriodicMeterReadsGas"
    device_types = MBUS_DEVICE_TYPES
    buffers = {
        PeriodType.INTERVAL: ("INTERVAL_VALUES_G",),
        PeriodType.DAILY: ("DAILY_VALUES_G", "DAILY_VALUES_COMBINED"),
        PeriodType.MONTHLY: ("MONTHLY_VALUES_G", "MONTHLY_VALUES_COMBINED"),
    }
    needs = ("CLOCK", VALUE, need_any_buffer(buffers))
    rows_name = "periodic_meter_reads_gas"

    def read_rows(
        self, meter: VisitedMeter, buffer: Buffer, between: Between
    ) -> tuple[Reads[PeriodicMeterReadGas], BufferRows]:
        unit = read_scaler_units(meter, [VALUE], meter.profile.find_scaler_unit_of_model(meter.model))[VALUE]
        scale = find_meter_reading_scale(unit, VALUE)

        def is_wanted(column: CaptureColumn) -> bool:
            """Clock and status, and of the M-Bus meters this one."""
            common = column.tag == "CLOCK" or is_status(column.tag)
            return common if column.channel is None else column.channel == meter.channel

        value, capture_time = (meter.find_attribute(VALUE, name) for name in ("value", "capture_time"))

        flags = find_captured_flags(
            meter.profile, [column.tag for column in filter(is_wanted, buffer.columns)]
        )
        largest = (flags or NO_FLAGS).largest

        def make_reader(selection: Selection, columns: Sequence[CaptureColumn]) -> RowReader:
            captures = RowTimes(meter.time_zone, buffer.period)
            return _make_reader(selection, columns, value, capture_time, captures, largest)

        found = read_buffer(meter, buffer, is_wanted, *between, make_reader)
        times, statuses, numbers, captured = zip(*found.rows, strict=True) if found.rows else [()] * 4
        columns = [ReadColumn("consumption", VALUE, scale, numbers)]
        return Reads(times, columns, statuses, flags, {"capture_time": captured}), found


def _make_reader(
    selection: Selection,
    columns: Sequence[CaptureColumn],
    value: AttributeDescriptor,
    capture_time: AttributeDescriptor,
    captures: RowTimes,
    largest: int,
) -> RowReader:
    """Reads status (0 to ``largest``), ``value`` and ``capture_time`` of a row.

    Rows without a value have no capture time.
    """
    status_position = value_position = capture_position = None
    for position, column in zip(selection.positions, columns, strict=True):
        if is_status(column.tag):
            status_position = position
        elif column.descriptor == value:
            value_position = position
        elif column.descriptor == capture_time:
            capture_position = position
    assert value_position is not None
    number_position = value_position
    following = 0

    def read(row: TimedRow) -> tuple[int | None, int | None, datetime | None]:
        nonlocal following
        if row.index != following:
            # Rows in between made no sense: how many capture times were left out is unknown.
            captures.lose_track()
        following = row.index + 1
        cells = row.cells
        cell = None if capture_position is None else cells[capture_position]
        captured, is_valid = _read_capture_time(cell, captures)
        bits = None if status_position is None else read_status(cells[status_position], largest)
        number = read_register(cells[number_position], VALUE)
        if number is None:
            return bits, None, None
        if not is_valid:
            raise UnusableRow("The capture time does not tell a complete time.")
        return bits, number, captured

    return read


def _read_capture_time(cell: object, captures: RowTimes) -> tuple[datetime | None, bool]:
    """When the M-Bus meter was read, None if that was left out with nothing to count from; whether the cell
    makes sense."""
    try:
        return captures.find_next(cell), True
    except UnusableRow:
        return None, cell is None
