"""GetOutages: the long power failures that a meter remembers."""

from datetime import datetime
from decimal import Decimal
from operator import itemgetter
from typing import Annotated, TypedDict

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.cosem.numbers import to_number
from osgp.cosem.profile_rows import CLOCK_TAG
from osgp.messages.buffer_reading import read_whole_buffer
from osgp.messages.buffer_rows import CellsReader, WantedColumn
from osgp.messages.buffers import Buffer, describe_buffer, find_column
from osgp.messages.operation import MeterOperation, Service
from osgp.messages.registry import register
from osgp.messages.rejected_rows import RejectedRowCount, RejectedRowList, format_rejected
from osgp.messages.scales import is_register, read_scaler_units
from osgp.messages.serializers import IntegerField
from osgp.messages.shapes import NoParameters
from osgp.messages.unavailable import UnavailableList
from osgp.messages.visited_meter import VisitedMeter
from osgp.monitoring.cells import read_each
from osgp.monitoring.expected_columns import list_missing

LOG = "POWER_FAILURE_EVENT_LOG"


class Outage(TypedDict):
    """A long power failure."""

    end_time: Annotated[datetime, "When the power came back."]
    duration: Annotated[
        int | None, IntegerField(min_value=0), "Seconds; null if the meter does not report it."
    ]


class GetOutagesResult(TypedDict):
    """All long power failures in the meter's log, oldest first."""

    outages: list[Outage]
    rejected_rows: RejectedRowList
    rejected_row_count: RejectedRowCount
    unavailable: UnavailableList


@register
class GetOutages(MeterOperation[NoParameters, GetOutagesResult]):
    """Read the long power failures that the meter remembers: all of its power failure event log."""

    message = "GetOutages"
    service = Service.MONITORING
    granted_to = frozenset({DeviceFunctionGroup.OWNER, DeviceFunctionGroup.MONITORING})
    needs = (LOG,)

    def perform(self, meter: VisitedMeter, parameters: NoParameters) -> GetOutagesResult:
        stated = Buffer(LOG, meter.profile.list_capture_columns(LOG), None, None)
        buffer = describe_buffer(meter, stated)
        [duration] = [column for column in stated.columns if column.tag != CLOCK_TAG]
        captured = find_column(buffer.columns, duration.descriptor)
        scaler = 0
        if is_register(meter.find_object(duration.tag)):
            scaler = read_scaler_units(meter, [duration.tag], group=LOG)[duration.tag].scaler
        wanted = [WantedColumn(duration.tag, captured, _make_reader(scaler))]
        found = read_whole_buffer(meter, buffer, wanted)
        if found.fault is not None:
            # A few rows, of which part would pass for all.
            raise found.fault
        unavailable = found.list_problems(list_missing(LOG, [duration], wanted))
        pairs = sorted(zip(found.times, found.columns[0], strict=True), key=itemgetter(0))
        return {
            "outages": [{"end_time": time, "duration": seconds} for time, seconds in pairs],
            **format_rejected(found.rejected),
            "unavailable": unavailable,
        }


def _make_reader(scaler: int) -> CellsReader:
    """What reads durations in seconds times ten to the ``scaler``, rounded to whole seconds."""

    def read_duration(cell: object) -> int:
        number = to_number(cell)
        if number is None or number < 0:
            raise ValueError("a negative number of seconds")
        return number if isinstance(number, int) and not scaler else round(Decimal(number).scaleb(scaler))

    return lambda cells: read_each(cells, read_duration)
