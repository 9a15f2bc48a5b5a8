"""GetOutages: the long power failures that a meter remembers."""

from datetime import datetime
from typing import Annotated, TypedDict

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.cosem.errors import UnusableRow
from osgp.cosem.profile_rows import RejectedRow, RowTimes, assign_times, parse_number
from osgp.messages.operation import MeterOperation, Service
from osgp.messages.registry import register
from osgp.messages.rejected_rows import RejectedRowCount, RejectedRowList, check_row_count, format_rejected
from osgp.messages.serializers import IntegerField
from osgp.messages.shapes import NoParameters
from osgp.messages.visited_meter import VisitedMeter

LOG = "POWER_FAILURE_EVENT_LOG"
_CLOCK, _DURATION = range(2)
_COLUMNS = 2


class Outage(TypedDict):
    """A long power failure."""

    end_time: Annotated[datetime, "When the power came back."]
    duration: Annotated[
        int | None, IntegerField(min_value=0), "Seconds; null if the meter does not report it."
    ]


class GetOutagesResult(TypedDict):
    """All long power failures in the meter's log, in its order, which is oldest first."""

    outages: list[Outage]
    rejected_rows: RejectedRowList
    rejected_row_count: RejectedRowCount


@register
class GetOutages(MeterOperation[NoParameters, GetOutagesResult]):
    """Read the long power failures that the meter remembers: all of its power failure event log."""

    message = "GetOutages"
    service = Service.MONITORING
    granted_to = frozenset({DeviceFunctionGroup.OWNER, DeviceFunctionGroup.MONITORING})
    needs = (LOG,)

    def perform(self, meter: VisitedMeter, parameters: NoParameters) -> GetOutagesResult:
        rows = meter.association.read_profile(meter.find_attribute(LOG, "buffer"))
        check_row_count(rows, LOG)
        outages: list[Outage] = []
        good, rejected = assign_times(rows, _COLUMNS, RowTimes(meter.time_zone), _CLOCK)
        for row in good:
            try:
                outages.append({"end_time": row.time, "duration": _read_duration(row.cells[_DURATION])})
            except UnusableRow as error:
                rejected.append(RejectedRow(row.index, str(error)))
        return {"outages": outages, **format_rejected(rejected)}


def _read_duration(cell: object) -> int | None:
    """Seconds; None for null-data. Raises UnusableRow for anything else."""
    seconds = parse_number(cell, "The duration")
    if seconds is not None and seconds < 0:
        raise UnusableRow("The duration is negative.")
    return seconds
