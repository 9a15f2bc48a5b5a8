"""PeriodicMeterReadsGas: what an M-Bus meter showed at the end of each hour, day or month."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, NotRequired, TypedDict

from osgp.catalogue import CaptureColumn
from osgp.cosem.amr_status import NO_FLAGS, STATUS, find_captured_flags, is_status
from osgp.cosem.profile_rows import CLOCK_TAG
from osgp.cosem.quantities import Quantity, find_meter_reading_scale
from osgp.devices.models import MBUS_DEVICE_TYPES
from osgp.messages.buffer_reading import read_buffer
from osgp.messages.buffer_rows import BufferRows, WantedColumn
from osgp.messages.buffers import Buffer, find_column
from osgp.messages.registry import register
from osgp.messages.rejected_rows import RejectedRowCount, RejectedRowList
from osgp.messages.relative_periods import Between
from osgp.messages.row_results import CompleteUntil
from osgp.messages.scales import read_scaler_units
from osgp.messages.shapes import HIDDEN
from osgp.messages.unavailable import Unavailable, UnavailableList
from osgp.messages.visited_meter import VisitedMeter
from osgp.monitoring.cells import make_capture_time_reader, make_status_reader, read_totals
from osgp.monitoring.expected_columns import find_status, list_expected, list_missing
from osgp.monitoring.periodic_reads import NothingMissing, PeriodicReads, PeriodType, need_any_buffer
from osgp.monitoring.periods import BetweenResult
from osgp.monitoring.reads import AmrProfileStatus, Reads, make_read_column

VALUE = "MBUS_MASTER_VALUE"
CAPTURE_TIME = f"{VALUE}.capture_time"
"""What a result calls the capture times that make no sense."""


class PeriodicMeterReadGas(TypedDict):
    """A stored value of an M-Bus meter."""

    log_time: Annotated[datetime, "When the gateway stored the value."]
    consumption: Quantity | None
    capture_time: Annotated[
        datetime | None,
        "When the gateway read the value from the M-Bus meter; null if it does not report it, or a time that "
        "cannot be right.",
    ]
    amr_profile_status: AmrProfileStatus


class PeriodicMeterReadsGasResult(BetweenResult):
    """Values from begin_date to end_date, both included, oldest first."""

    period_type: PeriodType
    periodic_meter_reads_gas: Reads[PeriodicMeterReadGas]
    complete_until: CompleteUntil
    rejected_rows: RejectedRowList
    rejected_row_count: RejectedRowCount
    unavailable: UnavailableList
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
    ) -> tuple[Reads[PeriodicMeterReadGas], BufferRows, list[Unavailable]]:
        known = meter.profile.find_scaler_unit_of_model(meter.model)
        unit = read_scaler_units(meter, [VALUE], known, group=buffer.tag)[VALUE]
        scale = find_meter_reading_scale(unit, VALUE)

        def is_sent(column: CaptureColumn) -> bool:
            """Clock and status, and of the M-Bus meters this one."""
            common = column.tag == CLOCK_TAG or is_status(column.tag)
            return common if column.channel is None else column.channel == meter.channel

        sent = [column for column in buffer.columns if is_sent(column)]
        status = find_status(sent)
        flags = find_captured_flags(meter.profile, [status.tag]) if status else None
        value, capture_time = (
            find_column(sent, meter.find_attribute(VALUE, name)) for name in ("value", "capture_time")
        )
        wanted = [
            WantedColumn(
                status.tag if status else STATUS, status, make_status_reader((flags or NO_FLAGS).largest)
            ),
            WantedColumn(VALUE, value, read_totals),
            WantedColumn(
                CAPTURE_TIME, capture_time, make_capture_time_reader(meter.visit_begin), holds_times=True
            ),
        ]
        found = read_buffer(meter, buffer, wanted, *between, is_sent=is_sent)
        statuses, numbers, captured = found.columns
        if None in numbers:
            captured = _drop_without_values(found, numbers, captured)
        expected = [column for column in list_expected(meter, buffer.tag) if is_sent(column)]
        unavailable = found.list_problems(list_missing(buffer.tag, expected, wanted))
        columns = [make_read_column("consumption", VALUE, scale, numbers)]
        return Reads(found.times, columns, statuses, flags, {"capture_time": captured}), found, unavailable


def _drop_without_values(
    found: BufferRows, numbers: Sequence[object], captured: Sequence[datetime | None]
) -> list[datetime | None]:
    """The capture times of rows with a value: without one, a time means nothing, nor what is wrong in it."""
    problems = found.problems.get(CAPTURE_TIME, {})
    for index, number in zip(found.indexes, numbers, strict=True):
        if number is None:
            problems.pop(index, None)
    return [None if number is None else moment for number, moment in zip(numbers, captured, strict=True)]
