"""FindEvents: what one of a meter's event logs holds about a period."""

from collections.abc import Mapping
from typing import Any

from rest_framework.exceptions import ValidationError

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.catalogue import Profile, event_log_categories
from osgp.cosem.errors import UnusableRow
from osgp.cosem.profile_rows import RejectedRow, RowTimes, select, timed_rows
from osgp.devices.models import Device
from osgp.faults import Fault, FaultCode
from osgp.management.event_logs import EventLog
from osgp.protocol_dlms.errors import AccessError
from osgp.requests.meter import VisitedMeter
from osgp.requests.operation import MeterOperation, ParameterValues, Service
from osgp.requests.registry import register
from osgp.requests.rejected_rows import (
    check_row_count,
    rejected_row_count_field,
    rejected_rows_field,
    told,
)
from osgp.requests.serializers import (
    CharField,
    ChoiceField,
    DateTimeField,
    IntegerField,
    QuantityField,
    StrictSerializer,
)


class FindEventsParameters(StrictSerializer):
    event_log_category = ChoiceField(event_log_categories())
    from_ = DateTimeField(help_text="The earliest time of an event.")
    until = DateTimeField(help_text="The latest time of an event; after `from`.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Whether the period lasts."""
        if attrs["from"] >= attrs["until"]:
            raise ValidationError({"from": ["Must be before until."]})
        return attrs


class EventSerializer(StrictSerializer):
    """One event."""

    timestamp = DateTimeField(help_text="By the meter's clock.")
    event_code = IntegerField(help_text="As the meter says it.")
    event_type = CharField(
        help_text="What the code means in meters of this protocol; UNKNOWN_EVENT_HEADEND if nobody knows."
    )
    event_log_category = ChoiceField(event_log_categories())
    event_counter = IntegerField(allow_null=True, help_text="In the log of communication sessions.")
    magnitude = QuantityField(
        allow_null=True,
        help_text="Of a voltage sag or swell, or of a harmonic distortion, in the logs of those.",
    )
    duration = QuantityField(allow_null=True, help_text="Of a voltage sag or swell.")


class FindEventsResult(StrictSerializer):
    """Events in the order of the meter's log, which is oldest first unless its clock was set back."""

    events = EventSerializer(many=True)
    rejected_rows = rejected_rows_field()
    rejected_row_count = rejected_row_count_field()


@register
class FindEvents(MeterOperation):
    """Read the events of one log of a meter between two times, both included.

    Every event is told with its code, also one whose meaning is not known. Which logs a meter has depends on
    its protocol: communication sessions from DSMR 4.2.2, power quality from SMR 5.0.0, auxiliary from
    SMR 5.1, extended power quality and harmonic distortion from SMR 5.2.
    """

    message = "FindEvents"
    service = Service.MANAGEMENT
    granted_to = frozenset(
        {DeviceFunctionGroup.OWNER, DeviceFunctionGroup.MANAGEMENT, DeviceFunctionGroup.MONITORING}
    )
    Parameters = FindEventsParameters
    Result = FindEventsResult

    def supports(self, profile: Profile) -> bool:
        return bool(profile.event_logs)

    def check_device(self, device: Device, parameters: ParameterValues) -> None:
        _log_tag(device.profile, parameters["event_log_category"], device.identification)

    def perform(self, meter: VisitedMeter, parameters: ParameterValues) -> Mapping[str, Any]:
        category = parameters["event_log_category"]
        begin, end = parameters["from"], parameters["until"]
        tag = _log_tag(meter.profile, category, meter.identification)
        buffer = meter.attribute(tag)
        columns = meter.profile.capture_columns(tag)
        # Most meters take a range of time here, also those that cannot select columns.
        selection = select(columns, lambda column: True, begin, end, meter.time_zone, by_column=False)
        try:
            rows = meter.association.profile(buffer, selection.access)
        except AccessError:
            # Logs are short: all of one is better than nothing of it.
            rows = meter.association.profile(buffer)
        check_row_count(rows, tag)
        log = EventLog(category, meter.profile, columns)
        events: list[dict[str, Any]] = []
        good, rejected = timed_rows(rows, log.width, RowTimes(meter.time_zone), log.clock)
        for row in good:
            if not begin <= row.time <= end:
                # Not every meter minds the range.
                continue
            try:
                event, problems = log.event(row.time, row.cells)
            except UnusableRow as error:
                rejected.append(RejectedRow(row.index, str(error)))
                continue
            events.append(event)
            rejected += [RejectedRow(row.index, problem) for problem in problems]
        with_codes = [RejectedRow(row.index, row.reason + log.code_hint(rows[row.index])) for row in rejected]
        return {"events": events, **told(with_codes)}


def _log_tag(profile: Profile, category: str, identification: str) -> str:
    """The tag of the buffer with such events. Raises Fault 416 when meters of the profile have none."""
    if category in profile.event_logs:
        return profile.event_logs[category].tag
    raise Fault(
        FaultCode.OPERATION_NOT_SUPPORTED_BY_PLATFORM_FOR_PROTOCOL,
        f"{profile.key} meters such as {identification} have no {category}.",
        pointer="/event_log_category",
    )
