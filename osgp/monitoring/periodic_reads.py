"""What PeriodicMeterReads and PeriodicMeterReadsGas share: from a part of time to the rows of a buffer."""

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar
from zoneinfo import ZoneInfo

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.cosem.amr_status import LARGEST as LARGEST_STATUS
from osgp.cosem.errors import UnusableRow
from osgp.cosem.profile_rows import number
from osgp.devices.models import Device
from osgp.faults import Component, Fault, FaultCode
from osgp.messages.operation import MeterOperation, ParameterValues, Service
from osgp.messages.readings import Period, Readings
from osgp.messages.serializers import ChoiceField
from osgp.messages.visited_meter import VisitedMeter
from osgp.monitoring.periods import BetweenParameters, Buffer, buffer_of, check_held
from osgp.monitoring.reads import Reads, utc_text

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
        """The result, and with it ``capture_period`` (seconds, 0 for days and months)."""

    def supports(self, profile: "Profile") -> bool:
        return all(any(tag in profile for tag in tags) for tags in self.buffers.values())

    def check_device(self, device: Device, parameters: ParameterValues) -> None:
        buffer = self.buffer(device.profile, parameters, device.channel)
        zone = ZoneInfo((device.gateway or device).time_zone)
        check_held([buffer], parameters["begin_date"], parameters["end_date"], zone)

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

    def part_of_time(
        self, meter: VisitedMeter, buffer: Buffer, parameters: ParameterValues
    ) -> tuple[datetime, datetime]:
        """Begin and end. Raises Fault 401 when the buffer cannot hold as much."""
        begin, end = parameters["begin_date"], parameters["end_date"]
        check_held([buffer], begin, end, meter.time_zone)
        return begin, end

    def stored_result(self, result: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "period_type": result["period_type"],
            self.rows_name: result[self.rows_name].as_json(),
            "complete_until": utc_text(result["complete_until"]),
            "rejected_rows": result["rejected_rows"],
            "rejected_row_count": result["rejected_row_count"],
        }

    def readings(self, parameters: ParameterValues, result: Mapping[str, Any]) -> Iterable[Readings]:
        reads: Reads = result[self.rows_name]
        return reads.readings(Period(result["period_type"]), result["capture_period"] or None)


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
