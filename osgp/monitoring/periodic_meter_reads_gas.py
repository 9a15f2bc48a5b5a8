"""PeriodicMeterReadsGas: what an M-Bus meter showed at the end of each hour, day or month."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from osgp.catalogue import CaptureColumn
from osgp.cosem.errors import UnusableRow
from osgp.cosem.profile_rows import RowTimes, Selection, TimedRow
from osgp.cosem.quantities import meter_reading_scale
from osgp.devices.models import MBUS_DEVICE_TYPES
from osgp.monitoring.buffer_reading import RowReader, read_buffer
from osgp.monitoring.periodic_reads import (
    AMR_STATUS,
    PERIOD_TYPES,
    PeriodicReads,
    reading_of,
    status_of,
)
from osgp.monitoring.periods import complete_until_field
from osgp.monitoring.reads import ReadColumn, Reads, StatusField
from osgp.monitoring.scales import scaler_units
from osgp.readings.values import Period
from osgp.requests.meter import VisitedMeter
from osgp.requests.operation import ParameterValues
from osgp.requests.registry import register
from osgp.requests.rejected_rows import rejected_row_count_field, rejected_rows_field, told
from osgp.requests.serializers import ChoiceField, DateTimeField, QuantityField, StrictSerializer

VALUE = "MBUS_MASTER_VALUE"
_VALUE_ATTRIBUTE, _CAPTURE_TIME_ATTRIBUTE = 2, 5


class PeriodicMeterReadGasSerializer(StrictSerializer):
    """What the M-Bus meter showed."""

    log_time = DateTimeField(help_text="When the gateway stored the value.")
    consumption = QuantityField(allow_null=True)
    capture_time = DateTimeField(
        allow_null=True,
        help_text="When the gateway read the value from the M-Bus meter; null: it does not tell.",
    )
    amr_profile_status = StatusField()


class PeriodicMeterReadsGasResult(StrictSerializer):
    """Values from begin_date to end_date, both included, oldest first."""

    period_type = ChoiceField(PERIOD_TYPES)
    periodic_meter_reads_gas = PeriodicMeterReadGasSerializer(many=True)
    complete_until = complete_until_field()
    rejected_rows = rejected_rows_field()
    rejected_row_count = rejected_row_count_field()


@register
class PeriodicMeterReadsGas(PeriodicReads):
    """Read the stored hourly (INTERVAL), daily or monthly values of a gas or hydrogen meter from its gateway.

    The device is the M-Bus meter itself; the platform dials its gateway and reads its channel. A gateway
    holds ten days of hours, 40 days and 13 months. More at a time is refused; what it no longer holds is not
    in the result.
    """

    message = "PeriodicMeterReadsGas"
    device_types = MBUS_DEVICE_TYPES
    Result = PeriodicMeterReadsGasResult
    buffers = {
        Period.INTERVAL: ("INTERVAL_VALUES_G",),
        Period.DAILY: ("DAILY_VALUES_G", "DAILY_VALUES_COMBINED"),
        Period.MONTHLY: ("MONTHLY_VALUES_G", "MONTHLY_VALUES_COMBINED"),
    }
    rows_name = "periodic_meter_reads_gas"

    def perform(self, meter: VisitedMeter, parameters: ParameterValues) -> Mapping[str, Any]:
        buffer = self.buffer(meter.profile, parameters, meter.channel)
        unit = scaler_units(meter, [VALUE], meter.profile.scaler_unit_of_model(meter.model))[VALUE]
        scale = meter_reading_scale(unit, VALUE)

        def is_wanted(column: CaptureColumn) -> bool:
            """Clock and status, and of the M-Bus meters this one."""
            common = column.tag == "CLOCK" or column.tag.startswith(AMR_STATUS)
            return common if column.channel is None else column.channel == meter.channel

        def reader(selection: Selection, columns: Sequence[CaptureColumn]) -> RowReader:
            return _reader(selection, columns, RowTimes(meter.time_zone, buffer.period))

        begin, end = self.part_of_time(meter, buffer, parameters)
        found = read_buffer(meter, buffer, is_wanted, begin, end, reader)
        times, statuses, numbers, captured = zip(*found.rows, strict=True) if found.rows else [()] * 4
        has_status = any(column.tag.startswith(AMR_STATUS) for column in buffer.columns)
        return {
            "period_type": parameters["period_type"],
            "periodic_meter_reads_gas": Reads(
                times,
                [ReadColumn("consumption", VALUE, scale, numbers)],
                statuses if has_status else None,
                {"capture_time": captured},
            ),
            "capture_period": buffer.period.seconds if buffer.period else 0,
            "complete_until": found.complete_until,
            **told(found.rejected),
        }


def _reader(selection: Selection, columns: Sequence[CaptureColumn], captures: RowTimes) -> RowReader:
    """Reads status, value and capture time of a row; of rows without a value no capture time is told."""
    status = captured = value = None
    for position, column in zip(selection.positions, columns, strict=True):
        if column.tag.startswith(AMR_STATUS):
            status = position
        elif column.tag == VALUE and column.descriptor.attribute_id == _VALUE_ATTRIBUTE:
            value = position
        elif column.tag == VALUE and column.descriptor.attribute_id == _CAPTURE_TIME_ATTRIBUTE:
            captured = position
    assert value is not None
    value_position = value
    following = 0

    def read(row: TimedRow) -> tuple[int | None, int | None, datetime | None]:
        nonlocal following
        if row.index != following:
            # Rows in between made no sense: how many capture times were left out nobody knows.
            captures.lose_track()
        following = row.index + 1
        cells = row.cells
        cell = None if captured is None else cells[captured]
        capture_time, is_told = _capture_time(cell, captures)
        flags = None if status is None else status_of(cells[status])
        number = reading_of(cells[value_position], VALUE)
        if number is None:
            return flags, None, None
        if not is_told:
            raise UnusableRow("The capture time does not tell a complete time.")
        return flags, number, capture_time

    return read


def _capture_time(cell: object, captures: RowTimes) -> tuple[datetime | None, bool]:
    """When the M-Bus meter was read, None if that was left out with nothing to count from; whether the cell
    makes sense."""
    try:
        return captures.next(cell), True
    except UnusableRow:
        return None, cell is None
