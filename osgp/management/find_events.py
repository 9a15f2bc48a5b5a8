"""FindEvents: what one of a meter's event logs holds about a period."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Annotated, Any, NotRequired, TypedDict
from zoneinfo import ZoneInfo

from django.utils.dateparse import parse_datetime
from rest_framework.exceptions import ValidationError

from osgp import platform_time
from osgp.accounts.functions import DeviceFunctionGroup
from osgp.catalogue import Profile, list_event_log_categories
from osgp.cosem.errors import UnusableRow
from osgp.cosem.profile_rows import RejectedRow
from osgp.devices.models import Device
from osgp.management.event_logs import Event, EventLog, arrange, describe_code
from osgp.messages.buffer_reading import read_buffer
from osgp.messages.buffers import Buffer, describe_buffer
from osgp.messages.history import begin_after
from osgp.messages.needs import Needs
from osgp.messages.operation import Interrupted, MeterOperation, Service
from osgp.messages.registry import register
from osgp.messages.rejected_rows import (
    RejectedRowCount,
    RejectedRowList,
    format_rejected,
)
from osgp.messages.relative_periods import (
    Between,
    RelativePeriodParameter,
    check_times,
    find_times,
    is_since_last_reading,
)
from osgp.messages.row_results import CompleteUntil, find_complete_until, join_rejected
from osgp.messages.serializers import ChoiceField
from osgp.messages.visited_meter import VisitedMeter

BEGIN, END = "from", "until"

FindEventsParameters = TypedDict(
    "FindEventsParameters",
    {
        "event_log_category": Annotated[str, ChoiceField(list_event_log_categories())],
        "from": NotRequired[Annotated[datetime, "The earliest time of an event."]],
        "until": NotRequired[Annotated[datetime, "The latest time of an event; after `from`."]],
        "relative_period": NotRequired[RelativePeriodParameter],
    },
)


FindEventsResult = TypedDict(
    "FindEventsResult",
    {
        "from": datetime,
        "until": datetime,
        "events": list[Event],
        "complete_until": CompleteUntil,
        "rejected_rows": RejectedRowList,
        "rejected_row_count": RejectedRowCount,
    },
)
"""Events in the order of the meter's log, which is oldest first unless its clock was set back."""


@dataclass(frozen=True)
class NeededLog:
    """The event log of a category; of any, if none is named."""

    category: str | None = None

    def is_met_by(self, profile: Profile) -> bool:
        """Whether the profile has such a log."""
        return bool(profile.event_logs) if self.category is None else self.category in profile.event_logs

    def __str__(self) -> str:
        return "an event log" if self.category is None else f"the {self.category}"


@register
class FindEvents(MeterOperation[FindEventsParameters, FindEventsResult]):
    """Read the events of one log of a meter between two times, both included.

    Every event has its code, also one with an unknown meaning. Which logs a meter has depends on its profile;
    one that it does not have is refused. SINCE_LAST_READING goes back to an hour before the end of the last
    stored result of the same log, as the meter's clock may be behind: an event may be told twice. Without
    such a result it is the whole log.
    """

    message = "FindEvents"
    service = Service.MANAGEMENT
    granted_to = frozenset(
        {DeviceFunctionGroup.OWNER, DeviceFunctionGroup.MANAGEMENT, DeviceFunctionGroup.MONITORING}
    )
    needs = (NeededLog(),)

    def list_needs(self, parameters: FindEventsParameters) -> Mapping[str, Needs]:
        return {"event_log_category": (NeededLog(parameters["event_log_category"]),)}

    def check_parameters(self, parameters: FindEventsParameters) -> None:
        """Refuse a period that does not last. Raises ValidationError."""
        check_times(parameters, BEGIN, END)
        if "relative_period" not in parameters and parameters["from"] >= parameters["until"]:
            raise ValidationError({"from": ["Must be before until."]})

    def check_device(self, device: Device, parameters: FindEventsParameters) -> None:
        _find_between(parameters, platform_time.now(), ZoneInfo(device.time_zone))

    def _choose_times(self, meter: VisitedMeter, parameters: FindEventsParameters) -> Between:
        """The times of events that are looked for; since the last reading from where its result ended."""
        between = _find_between(parameters, meter.visit_begin, meter.time_zone)
        if not is_since_last_reading(parameters):
            return between
        asked = self.represent_parameters(parameters)
        last = meter.history.find_last_result(self.message, asked, (BEGIN, END, "relative_period"))
        return begin_after(parse_datetime(last.get("complete_until", last[END])) if last else None, between)

    def perform(self, meter: VisitedMeter, parameters: FindEventsParameters) -> FindEventsResult:
        category = parameters["event_log_category"]
        begin, end = self._choose_times(meter, parameters)
        last = find_complete_until(meter.earlier)
        if last is not None:
            begin = max(begin, last)
        tag = meter.profile.event_logs[category].tag
        # Rows come when something happens: they have no period.
        stated = Buffer(tag, meter.profile.list_capture_columns(tag), None, None)
        buffer = describe_buffer(meter, stated)
        log = EventLog(category, meter.profile, buffer.columns)
        log.read_scales(meter)
        found = read_buffer(
            meter,
            buffer,
            log.list_wanted(),
            begin,
            end,
            one_per_time=False,
            describe_row=log.describe_code,
        )
        events: list[Event] = []
        rejected = found.rejected
        for index, time, *cells in zip(found.indexes, found.times, *found.columns, strict=True):
            try:
                event, problems = log.read_event(time, *cells)
            except UnusableRow as error:
                rejected.append(RejectedRow(index, str(error)))
                continue
            events.append(event)
            code = describe_code(event["event_code"])
            rejected += [RejectedRow(index, problem + code) for problem in problems]
        result: FindEventsResult = {
            "from": begin,
            "until": end,
            "events": arrange(events),
            "complete_until": found.complete_until,
            **format_rejected(rejected),
        }
        if found.fault is not None:
            raise Interrupted(found.fault, result)
        return result

    def join(self, earlier: Mapping[str, Any], result: Mapping[str, Any]) -> Mapping[str, Any]:
        """Join the events of an interrupted attempt and those of the next one, which begins at its end."""
        there = list(earlier["events"])
        known = set(map(_identify, there))
        return {
            **result,
            BEGIN: earlier[BEGIN],
            "events": [*there, *(event for event in result["events"] if _identify(event) not in known)],
            **join_rejected(earlier, result),
        }


def _identify(event: Mapping[str, Any]) -> str:
    return json.dumps(event, sort_keys=True)


def _find_between(parameters: FindEventsParameters, moment: datetime, zone: tzinfo) -> Between:
    """The times of events that are looked for in a visit that begins at ``moment``. Raises Fault 401."""
    return find_times(parameters, BEGIN, END, moment=moment, zone=zone)
