"""GetOutages: the long power failures that a meter remembers."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.cosem.errors import UnusableRow
from osgp.cosem.profile_rows import RejectedRow, RowTimes, number, timed_rows
from osgp.messages.operation import MeterOperation, ParameterValues, Service
from osgp.messages.registry import register
from osgp.messages.rejected_rows import check_row_count, rejected_row_count_field, rejected_rows_field, told
from osgp.messages.serializers import DateTimeField, IntegerField, StrictSerializer
from osgp.messages.visited_meter import VisitedMeter

if TYPE_CHECKING:
    from osgp.catalogue import Profile

LOG = "POWER_FAILURE_EVENT_LOG"
_CLOCK, _DURATION = range(2)
_COLUMNS = 2


class OutageSerializer(StrictSerializer):
    """A long power failure."""

    end_time = DateTimeField(help_text="When the power came back.")
    duration = IntegerField(allow_null=True, min_value=0, help_text="Seconds; null: the meter does not tell.")


class GetOutagesResult(StrictSerializer):
    """All long power failures in the meter's log, in its order, which is oldest first."""

    outages = OutageSerializer(many=True)
    rejected_rows = rejected_rows_field()
    rejected_row_count = rejected_row_count_field()


@register
class GetOutages(MeterOperation):
    """Read the long power failures that the meter remembers: all of its power failure event log."""

    message = "GetOutages"
    service = Service.MONITORING
    granted_to = frozenset({DeviceFunctionGroup.OWNER, DeviceFunctionGroup.MONITORING})
    Result = GetOutagesResult

    def supports(self, profile: "Profile") -> bool:
        return LOG in profile

    def perform(self, meter: VisitedMeter, parameters: ParameterValues) -> Mapping[str, Any]:
        rows = meter.association.profile(meter.attribute(LOG))
        check_row_count(rows, LOG)
        outages: list[dict[str, Any]] = []
        good, rejected = timed_rows(rows, _COLUMNS, RowTimes(meter.time_zone), _CLOCK)
        for row in good:
            try:
                outages.append({"end_time": row.time, "duration": _seconds(row.cells[_DURATION])})
            except UnusableRow as error:
                rejected.append(RejectedRow(row.index, str(error)))
        return {"outages": outages, **told(rejected)}


def _seconds(cell: object) -> int | None:
    seconds = number(cell, "The duration")
    if seconds is not None and seconds < 0:
        raise UnusableRow("The duration is negative.")
    return seconds
