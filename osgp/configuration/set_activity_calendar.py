"""SetActivityCalendar: which tariff applies when."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, Final, TypedDict
from zoneinfo import ZoneInfo

from rest_framework.exceptions import ValidationError

from osgp import platform_time
from osgp.accounts.functions import DeviceFunctionGroup
from osgp.configuration.calendar_parameters import (
    SetActivityCalendarParameters,
    find_errors,
    list_days,
    list_seasons,
    list_weeks,
)
from osgp.configuration.calendar_results import ActivityCalendar, describe
from osgp.cosem.activity_calendar import (
    encode_days,
    encode_seasons,
    encode_weeks,
    parse_days,
    parse_name,
    parse_seasons,
    parse_weeks,
    show_text,
)
from osgp.cosem.clock import MeterClock
from osgp.cosem.date_patterns import DatePattern, DateTimePattern, TimePattern
from osgp.cosem.errors import make_illegal_response
from osgp.devices.models import Device
from osgp.faults import Component, Fault, FaultCode
from osgp.messages.changes import Setting, read_back, write
from osgp.messages.date_fields import Moment
from osgp.messages.operation import MeterOperation, Service
from osgp.messages.registry import register
from osgp.messages.visited_meter import VisitedMeter
from osgp.protocol_dlms import Data, DataType
from osgp.protocol_dlms.errors import AccessError

TAG = "ACTIVITY_CALENDAR"
TIME: Final = "activate_passive_calendar_time"
NEVER = DateTimePattern(DatePattern(), TimePattern())
"""With nothing specified, the meter makes no calendar active by itself."""

PARTS: dict[str, Callable[[Data], Any]] = {
    "calendar_name": lambda data: show_text(parse_name(data)),
    "season_profile": parse_seasons,
    "week_profile_table": parse_weeks,
    "day_profile_table": parse_days,
}
"""What each part of a calendar means. Its attributes have ``_active`` or ``_passive`` behind that."""


class SetActivityCalendarResult(TypedDict):
    """The calendars of the meter, read from it."""

    before: Annotated[ActivityCalendar, "The calendar that was active."]
    after: Annotated[ActivityCalendar, "The calendar that was set."]
    activate_passive_calendar_time: Annotated[
        datetime | None, "When the meter makes the new calendar active. Null: it is active."
    ]


@register
class SetActivityCalendar(MeterOperation[SetActivityCalendarParameters, SetActivityCalendarResult]):
    """Set which tariff applies when: the seasons, their weeks, and the days of these.

    The meter gets it as its passive calendar, which is read back. Then it is made active, and read back once
    more; or, if activate_passive_calendar_time is given, the meter makes it active at that time, and the
    calendar of before applies until then. Where the meter refuses a part of the passive calendar, or keeps
    another one, the active calendar stays what it was.

    An activation that was planned before is called off first, so that a meter never activates half of a
    calendar.

    Fault 401: the time of the activation has passed when the meter is visited. An earlier attempt, whose
    answer was lost, may have set the calendar all the same.
    """

    message = "SetActivityCalendar"
    service = Service.CONFIGURATION
    granted_to = frozenset({DeviceFunctionGroup.OWNER, DeviceFunctionGroup.CONFIGURATION})
    needs = (TAG,)
    # All of the calendar is written anew, and activating the same one twice changes nothing.
    repeatable = True

    def check_parameters(self, parameters: SetActivityCalendarParameters) -> None:
        """Raise ValidationError, with the path of each field, for seasons that do not make a calendar."""
        if errors := find_errors(parameters["season_profiles"]):
            raise ValidationError(errors)

    def check_device(self, device: Device, parameters: SetActivityCalendarParameters) -> None:
        _find_activation(parameters, MeterClock(ZoneInfo(device.time_zone)), platform_time.now)

    def perform(
        self, meter: VisitedMeter, parameters: SetActivityCalendarParameters
    ) -> SetActivityCalendarResult:
        activation = _find_activation(parameters, meter.clock, meter.read_platform_time)
        before, is_planned = _read_active(meter)
        if is_planned:
            write(meter, [_plan(meter, NEVER)])
        passive = _make_settings(meter, parameters, "passive")
        write(meter, passive)
        after = read_back(meter, passive)
        if activation is None:
            _activate(meter)
            after = read_back(meter, _make_settings(meter, parameters, "active"))
        else:
            planned = [_plan(meter, _encode(parameters[TIME], meter.clock))]
            write(meter, planned)
            read_back(meter, planned)
        return {"before": before, "after": describe(*after), TIME: activation}


def _find_activation(
    parameters: SetActivityCalendarParameters, clock: MeterClock, read_time: Callable[[], datetime]
) -> datetime | None:
    """The time of the activation; None: at once. Raises Fault 401 if it has passed."""
    moment = parameters.get(TIME)
    if moment is None:
        return None
    found = clock.decode(_encode(moment, clock).to_octets())
    if found is None or found <= read_time():
        text = "The time of the activation has to be in the future."
        raise Fault(FaultCode.VALIDATION_ERROR, text, pointer=f"/{TIME}")
    return found


def _encode(moment: Moment, clock: MeterClock) -> DateTimePattern:
    if not isinstance(moment, datetime):
        return moment
    told = DateTimePattern.from_moment(moment, clock.zone)
    return replace(told, deviation=clock.turn_minutes(told.deviation))


def _read_active(meter: VisitedMeter) -> tuple[ActivityCalendar, bool]:
    """The active calendar, and whether the meter is to replace it at some time."""
    names = [*(f"{part}_active" for part in PARTS), TIME]
    *values, time = meter.get_each([meter.find_attribute(TAG, name) for name in names])
    parts = [_try(parse, value) for parse, value in zip(PARTS.values(), values, strict=True)]
    return describe(*parts), _try(_parse_planned(meter.clock), time) is not None


def _try(parse: Callable[[Data], Any], value: Data | Fault) -> Any:
    """What a value means; None if it was not read, or makes no sense."""
    if isinstance(value, Fault):
        return None
    try:
        return parse(value)
    except Fault:
        return None


def _make_settings(
    meter: VisitedMeter, parameters: SetActivityCalendarParameters, which: str
) -> list[Setting]:
    seasons = parameters["season_profiles"]
    values = (
        Data(DataType.OCTET_STRING, parameters["calendar_name"].encode("ascii")),
        encode_seasons(list_seasons(seasons)),
        encode_weeks(list_weeks(seasons)),
        encode_days(list_days(seasons)),
    )
    return [
        Setting(f"{part}_{which}", meter.find_attribute(TAG, f"{part}_{which}"), value, parse)
        for (part, parse), value in zip(PARTS.items(), values, strict=True)
    ]


def _activate(meter: VisitedMeter) -> None:
    try:
        meter.action(TAG, "activate_passive_calendar", Data(DataType.INTEGER, 0))
    except AccessError as refusal:
        raise Fault(
            refusal.code,
            f"The calendar was written, but not made active: {refusal.message}.",
            component=Component.PROTOCOL_DLMS,
            retryable=refusal.retryable,
        ) from refusal


def _plan(meter: VisitedMeter, time: DateTimePattern) -> Setting:
    value = Data(DataType.OCTET_STRING, time.to_octets())
    return Setting(TIME, meter.find_attribute(TAG, TIME), value, _parse_planned(meter.clock))


def _parse_planned(clock: MeterClock) -> Callable[[Data], datetime | None]:
    """Read when a meter makes a calendar active, in UTC; None: not by itself.

    The moment counts: a meter may tell it in another zone, or with its weekday.
    """

    def parse(data: Data) -> datetime | None:
        if not isinstance(data.value, bytes) or len(data.value) < len(NEVER.to_octets()):
            raise make_illegal_response("The time of the activation is not a date-time.")
        return clock.decode(data.value)

    return parse
