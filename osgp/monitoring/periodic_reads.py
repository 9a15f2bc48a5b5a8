"""What PeriodicMeterReads and PeriodicMeterReadsGas share: from a part of time to the rows of a buffer."""

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, tzinfo
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Generic, NotRequired, TypeVar, cast
from zoneinfo import ZoneInfo

from osgp import platform_time
from osgp.accounts.functions import DeviceFunctionGroup
from osgp.catalogue import Profile
from osgp.devices.models import Device
from osgp.faults import Component, Fault, FaultCode
from osgp.messages.buffer_rows import BufferRows
from osgp.messages.buffers import Buffer, describe_buffer
from osgp.messages.needs import AnyOf, Needs, any_of
from osgp.messages.operation import Interrupted, MeterOperation, Service
from osgp.messages.readings import Period, Readings
from osgp.messages.rejected_rows import RejectedRowCount, RejectedRowList, format_rejected
from osgp.messages.relative_periods import Between, is_since_last_reading
from osgp.messages.row_results import (
    CompleteUntil,
    find_complete_until,
    join_rejected,
    join_rows,
    join_unavailable,
)
from osgp.messages.shapes import HIDDEN
from osgp.messages.unavailable import Unavailable, UnavailableList
from osgp.messages.visited_meter import VisitedMeter
from osgp.monitoring.periods import (
    BetweenParameters,
    BetweenResult,
    check_between,
    check_held,
    find_between,
    find_buffer,
)
from osgp.monitoring.reads import Reads, utc_text


class PeriodType(StrEnum):
    """The periods at whose ends meters store values."""

    INTERVAL = "INTERVAL"
    DAILY = "DAILY"
    MONTHLY = "MONTHLY"


MOST_MISSING_ROWS = 3_000
"""Rows from the first missing value on that one visit reads; the next one goes on. Few meters hold more."""


class PeriodicReadsParameters(BetweenParameters):
    """Which stored values."""

    period_type: PeriodType
    missing_only: NotRequired[
        Annotated[
            bool,
            "Read no more than from the first to the last value that is missing among the readings and that "
            "the meter may still hold, however long the period is. What it has answered without, and gaps "
            f"that were accepted, are not missing. {MOST_MISSING_ROWS} rows at most. SINCE_LAST_READING "
            "implies it. Default: false.",
        ]
    ]


NothingMissing = Annotated[
    bool,
    "Of missing_only: whether nothing was missing, so that no row was read. begin_date and end_date are "
    "then those of what was looked at, else those of what was asked for.",
]
"""``nothing_missing`` of a result."""


class PeriodicReadsResult(BetweenResult):
    """What the results of these messages have in common, beside their rows."""

    period_type: PeriodType
    complete_until: CompleteUntil
    rejected_rows: RejectedRowList
    rejected_row_count: RejectedRowCount
    unavailable: UnavailableList
    nothing_missing: NotRequired[NothingMissing]
    capture_period: Annotated[int | None, HIDDEN]
    """Seconds; None for days and months."""


R = TypeVar("R", bound=PeriodicReadsResult)

BufferTags = Mapping[PeriodType, Sequence[str]]
"""Tags of buffers by period type, the preferred one first."""


def need_any_buffer(buffers: BufferTags) -> AnyOf:
    """Return the need for one of these buffers, of any period type."""
    return any_of(*(tag for tags in buffers.values() for tag in tags))


class PeriodicReads(MeterOperation[PeriodicReadsParameters, R], Generic[R]):
    """A message that reads stored values of a period type, which profiles may have or not."""

    service = Service.MONITORING
    granted_to = frozenset({DeviceFunctionGroup.OWNER, DeviceFunctionGroup.MONITORING})

    buffers: ClassVar[BufferTags]
    rows_name: ClassVar[str]
    """The field of the result that has the rows, a :class:`Reads`."""

    @abstractmethod
    def read_rows(
        self, meter: VisitedMeter, buffer: Buffer, between: Between
    ) -> tuple[Reads[Any], BufferRows, list[Unavailable]]:
        """Read the rows of these times from a buffer that is as the meter describes it.

        Return them as they are told and as they were read, and what could not be read.
        """

    def perform(self, meter: VisitedMeter, parameters: PeriodicReadsParameters) -> R:
        buffer = self.find_buffer(meter.profile, parameters["period_type"], meter.channel)
        between, nothing_missing = self.choose_times(meter, parameters, buffer)
        reads, found = Reads[Any]((), (), (), None), BufferRows((), [], between.end)
        unavailable: list[Unavailable] = []
        last = find_complete_until(meter.earlier)
        if last is not None:
            between = between._replace(begin=max(between.begin, last))
        if not nothing_missing and between.begin <= between.end:
            stated, buffer = buffer, describe_buffer(meter, buffer)
            reads, found, unavailable = self.read_rows(meter, buffer, between)
            if found.has_odd_rows and found.fault is None:
                changed = describe_buffer(meter, stated)
                if changed != buffer:
                    buffer = changed
                    reads, found, unavailable = self.read_rows(meter, buffer, between)
        result: dict[str, Any] = {
            "period_type": parameters["period_type"],
            "begin_date": between.begin,
            "end_date": between.end,
            self.rows_name: reads,
            "capture_period": buffer.capture_period,
            "complete_until": found.complete_until,
            **format_rejected(found.rejected),
            "unavailable": unavailable,
        }
        if nothing_missing is not None:
            result["nothing_missing"] = nothing_missing
        if found.fault is not None:
            raise Interrupted(found.fault, result)
        return cast(R, result)

    def join(self, earlier: Mapping[str, Any], result: Mapping[str, Any]) -> Mapping[str, Any]:
        """Join the rows of an interrupted attempt and those of the next one."""
        joined = {
            **result,
            "begin_date": earlier["begin_date"],
            self.rows_name: join_rows(earlier[self.rows_name], result[self.rows_name], "log_time"),
            **join_rejected(earlier, result),
            "unavailable": join_unavailable(earlier["unavailable"], result["unavailable"]),
        }
        if "nothing_missing" in earlier:
            joined["nothing_missing"] = earlier["nothing_missing"]
        return joined

    def check_parameters(self, parameters: PeriodicReadsParameters) -> None:
        check_between(parameters)

    def list_needs(self, parameters: PeriodicReadsParameters) -> Mapping[str, Needs]:
        return {"period_type": (any_of(*self.buffers[parameters["period_type"]]),)}

    def check_device(self, device: Device, parameters: PeriodicReadsParameters) -> None:
        buffer = self.find_buffer(device.profile, parameters["period_type"], device.channel)
        zone = ZoneInfo((device.gateway or device).time_zone)
        self.find_between(parameters, buffer, platform_time.now(), zone)

    def find_between(
        self, parameters: PeriodicReadsParameters, buffer: Buffer, moment: datetime, zone: tzinfo
    ) -> Between:
        """The times to read in a visit that begins at ``moment``. Raises Fault 401 if they are too long.

        What reads only what is missing may ask for any time: of it, that counts which the meter still holds.
        """
        between = find_between(parameters, moment, zone, buffer.period, buffer.entries)
        if not parameters.get("missing_only"):
            check_held([buffer], between, zone, parameters)
        return between

    def choose_times(
        self, meter: VisitedMeter, parameters: PeriodicReadsParameters, buffer: Buffer
    ) -> tuple[Between, bool | None]:
        """The times to read in this visit, and whether nothing is missing; None: all is read anyway.

        Raises Fault 401 as ``find_between`` does.
        """
        between = self.find_between(parameters, buffer, meter.visit_begin, meter.time_zone)
        if not (parameters.get("missing_only") or is_since_last_reading(parameters)):
            return between, None
        oldest = buffer.find_oldest(meter.visit_begin, meter.time_zone)
        begin = between.begin if oldest is None else max(between.begin, oldest.replace(microsecond=0))
        end = min(between.end, meter.visit_begin)
        unread = None
        if begin <= end:
            held = Between(begin, end)
            unread = meter.history.find_unread(
                Period(parameters["period_type"]), held, since_first=is_since_last_reading(parameters)
            )
        if unread is None:
            return between, True
        if buffer.period is not None:
            last = buffer.period.advance(unread.begin, MOST_MISSING_ROWS - 1, meter.time_zone)
            unread = unread._replace(end=min(unread.end, last))
        return unread, False

    def find_buffer(self, profile: Profile, period_type: PeriodType, channel: int | None) -> Buffer:
        """The buffer with values of the period type. Raises Fault 416 when the profile has none."""
        tags = self.buffers[period_type]
        found = find_buffer(profile, tags, channel)
        if found is None:
            raise Fault(
                FaultCode.OPERATION_NOT_SUPPORTED_BY_PLATFORM_FOR_PROTOCOL,
                f"{profile.key} meters have no {' or '.join(tags)} object.",
                component=Component.PROTOCOL_DLMS,
            )
        return found

    def represent_result(self, result: R) -> dict[str, Any]:
        """Return what the serializer would, at a fraction of its cost."""
        shown = {
            "period_type": str(result["period_type"]),
            "begin_date": utc_text(result["begin_date"]),
            "end_date": utc_text(result["end_date"]),
            self.rows_name: self._find_reads(result).as_json(),
            "complete_until": utc_text(result["complete_until"]),
            "rejected_rows": result["rejected_rows"],
            "rejected_row_count": result["rejected_row_count"],
            "unavailable": result["unavailable"],
        }
        if "nothing_missing" in result:
            shown["nothing_missing"] = result["nothing_missing"]
        return shown

    def list_readings(self, parameters: PeriodicReadsParameters, result: R) -> Iterable[Readings]:
        return self._find_reads(result).readings(Period(result["period_type"]), result["capture_period"])

    def _find_reads(self, result: R) -> Reads[Any]:
        reads: Reads[Any] = result[self.rows_name]  # type: ignore[literal-required]
        return reads
