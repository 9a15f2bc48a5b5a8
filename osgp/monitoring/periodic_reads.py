"""What PeriodicMeterReads and PeriodicMeterReadsGas share: from a part of time to the rows of a buffer."""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from operator import itemgetter
from typing import TYPE_CHECKING, Any, ClassVar
from zoneinfo import ZoneInfo

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.catalogue import CaptureColumn
from osgp.cosem.amr_status import LARGEST as LARGEST_STATUS
from osgp.cosem.errors import UnusableRow
from osgp.cosem.profile_rows import RejectedRow, RowTimes, Selection, TimedRow, number, select, timed_rows
from osgp.devices.models import Device
from osgp.faults import Component, Fault, FaultCode
from osgp.monitoring.periods import BetweenParameters, Buffer, buffer_of, check_held, slices
from osgp.monitoring.reads import Reads
from osgp.monitoring.rejected_rows import check_row_count
from osgp.readings.values import Period, Readings
from osgp.requests.meter import VisitedMeter
from osgp.requests.operation import MeterOperation, ParameterValues, Service
from osgp.requests.serializers import ChoiceField

if TYPE_CHECKING:
    from osgp.catalogue import Profile

AMR_STATUS = "AMR_PROFILE_STATUS"
PERIOD_TYPES = [str(period) for period in (Period.INTERVAL, Period.DAILY, Period.MONTHLY)]


class PeriodicReadsParameters(BetweenParameters):
    """Which stored values."""

    period_type = ChoiceField(PERIOD_TYPES)


class PeriodicReads(MeterOperation):
    """A message that reads stored values; its result has ``period_type``, the rows and the rejected rows."""

    service = Service.MONITORING
    granted_to = frozenset({DeviceFunctionGroup.OWNER, DeviceFunctionGroup.MONITORING})
    Parameters = PeriodicReadsParameters

    buffers: ClassVar[Mapping[Period, Sequence[str]]]
    """Tags by period type, the preferred buffer first."""
    rows_name: ClassVar[str]
    """The field of the result that has the rows, a :class:`Reads`."""

    @abstractmethod
    def perform(self, meter: VisitedMeter, parameters: ParameterValues) -> Mapping[str, Any]:
        """The result, and with it ``capture_period``."""

    def supports(self, profile: "Profile") -> bool:
        return all(any(tag in profile for tag in tags) for tags in self.buffers.values())

    def check_device(self, device: Device, parameters: ParameterValues) -> None:
        buffer = self.buffer(device.profile, parameters, device.channel)
        check_held([buffer], parameters["begin_date"], parameters["end_date"], ZoneInfo(device.time_zone))

    def buffer(self, profile: "Profile", parameters: ParameterValues, channel: int | None) -> Buffer:
        """The buffer with values of the period type. Raises Fault 416 when the profile has none."""
        tags = self.buffers[Period(parameters["period_type"])]
        found = buffer_of(profile, tags, channel)
        if found is None:
            raise Fault(
                FaultCode.OPERATION_NOT_SUPPORTED_BY_PLATFORM_FOR_PROTOCOL,
                f"{profile.key} meters have no {' or '.join(tags)} object.",
                component=Component.PROTOCOL_DLMS,
            )
        return found

    def stored_result(self, result: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "period_type": result["period_type"],
            self.rows_name: result[self.rows_name].as_json(),
            "rejected_rows": result["rejected_rows"],
            "rejected_row_count": result["rejected_row_count"],
        }

    def readings(self, parameters: ParameterValues, result: Mapping[str, Any]) -> Iterable[Readings]:
        reads: Reads = result[self.rows_name]
        return reads.readings(Period(result["period_type"]), result["capture_period"])


RowReader = Callable[[TimedRow], tuple[Any, ...]]
"""From a row to the status and whatever else is wanted of it; raises UnusableRow."""


def read_buffer(
    meter: VisitedMeter,
    buffer: Buffer,
    wanted: Callable[[CaptureColumn], bool],
    parameters: ParameterValues,
    reader_of: Callable[[Selection, Sequence[CaptureColumn]], RowReader],
) -> tuple[list[tuple[Any, ...]], list[RejectedRow]]:
    """Times and what was read of each row, sorted by time, and the rows that make no sense.

    ``reader_of`` makes what reads the rows of one answer, given where the wanted columns are in them. Of rows
    with the same time the first is kept. Rows outside the part of time, which some meters send all the same,
    are read, for others may count their times from them, and left out.
    """
    begin, end = parameters["begin_date"], parameters["end_date"]
    check_held([buffer], begin, end, meter.time_zone)
    descriptor = meter.attribute(buffer.tag)
    columns = [column for column in buffer.columns if wanted(column)]
    clock = next(position for position, column in enumerate(columns) if column.tag == "CLOCK")
    rows: dict[datetime, tuple[Any, ...]] = {}
    rejected: list[RejectedRow] = []
    before = 0
    for part in slices(begin, end, buffer.period, meter.time_zone):
        selection = select(
            buffer.columns, wanted, part.begin, part.until, meter.time_zone, by_column=meter.selective_access
        )
        answer = meter.association.profile(descriptor, selection.access)
        check_row_count(answer, buffer.tag)
        times = RowTimes(meter.time_zone, buffer.period)
        good, bad = timed_rows(answer, selection.width, times, selection.positions[clock])
        rejected += [RejectedRow(before + row.index, row.reason) for row in bad]
        read = reader_of(selection, columns)
        for row in good:
            try:
                values = read(row)
                if not part.has(row.time):
                    continue
                if row.time in rows:
                    raise UnusableRow("There is another row with the same time before it.")
                rows[row.time] = (row.time, *values)
            except UnusableRow as error:
                rejected.append(RejectedRow(before + row.index, str(error)))
        before += len(answer)
    return sorted(rows.values(), key=itemgetter(0)), rejected


def status_of(cell: object) -> int | None:
    """An AMR profile status. Raises UnusableRow for what is none."""
    status = number(cell, "The status")
    if status is not None and not 0 <= status <= LARGEST_STATUS:
        raise UnusableRow(f"The status {status} is outside 0..{LARGEST_STATUS}.")
    return status


def reading_of(cell: object, name: str) -> int | None:
    """What a register showed. Raises UnusableRow for what is no number, or negative."""
    if type(cell) is int and cell >= 0:
        return cell
    shown = number(cell, name)
    if shown is not None:
        raise UnusableRow(f"{name} is negative.")
    return None
