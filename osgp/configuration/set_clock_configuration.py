"""SetClockConfiguration: the time zone of a meter's clock, and its daylight saving."""

from collections.abc import Callable
from typing import Annotated, Any, TypedDict

from rest_framework.exceptions import ValidationError

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.cosem.date_patterns import DateTimePattern, InvalidPattern
from osgp.cosem.errors import make_illegal_response
from osgp.messages.changes import Setting, change
from osgp.messages.date_fields import DateTimePatternField
from osgp.messages.operation import MeterOperation, Service
from osgp.messages.registry import register
from osgp.messages.serializers import BooleanField, IntegerField
from osgp.messages.visited_meter import VisitedMeter
from osgp.protocol_dlms import Data, DataType
from osgp.protocol_dlms.cosem_time import DEVIATION_LIMIT

TAG = "CLOCK"
_LARGEST_OFFSET = 24 * 60
"""Of an answer: some clocks are set further from UTC than deviations can tell."""


class SetClockConfigurationParameters(TypedDict):
    """The time zone and the daylight saving of a clock."""

    timezone_offset: Annotated[
        int,
        IntegerField(min_value=-DEVIATION_LIMIT, max_value=DEVIATION_LIMIT),
        "Minutes from local time to UTC, without daylight saving: -60 for UTC+1. Beyond 720 not every meter "
        "takes it.",
    ]
    daylight_savings_begin: Annotated[
        DateTimePattern,
        DateTimePatternField(),
        "24 hexadecimal digits of a date-time in local time: FFFF03FE0702000000FFC400 is 2:00 on the last "
        "Sunday of March.",
    ]
    daylight_savings_end: Annotated[
        DateTimePattern,
        DateTimePatternField(),
        "In the same form: FFFF0AFE0703000000FF8880 is 3:00 on the last Sunday of October.",
    ]
    daylight_savings_enabled: Annotated[bool, BooleanField(default=True)]


class ClockConfiguration(TypedDict):
    """The configuration of a clock. Null stands for what the meter does not say, or what makes no sense."""

    timezone_offset: int | None
    daylight_savings_begin: Annotated[DateTimePattern | None, DateTimePatternField()]
    daylight_savings_end: Annotated[DateTimePattern | None, DateTimePatternField()]
    daylight_savings_enabled: bool | None


class SetClockConfigurationResult(TypedDict):
    """The configuration of the meter's clock, read from it."""

    before: ClockConfiguration
    after: ClockConfiguration


@register
class SetClockConfiguration(MeterOperation[SetClockConfigurationParameters, SetClockConfigurationResult]):
    """Set the time zone of a meter's clock, and when its daylight saving begins and ends. All is read back.

    The time zone that the platform has of the device does not change; SynchronizeTime changes it. By how much
    clocks are put forward stays what it is in the meter.

    If the meter refuses a part, the fault says which ones it has accepted.
    """

    message = "SetClockConfiguration"
    service = Service.CONFIGURATION
    granted_to = frozenset({DeviceFunctionGroup.OWNER, DeviceFunctionGroup.CONFIGURATION})
    needs = (TAG,)
    # A meter that gets the same configuration twice has that configuration.
    repeatable = True

    def check_parameters(self, parameters: SetClockConfigurationParameters) -> None:
        """Raise ValidationError for a begin and end that no clock can go by."""
        errors = {
            name: ["The month of a mark is what this is to say."]
            for name in ("daylight_savings_begin", "daylight_savings_end")
            if parameters[name].date.has_month_mark
        }
        if errors:
            raise ValidationError(errors)
        is_empty = parameters["daylight_savings_begin"] == parameters["daylight_savings_end"]
        if is_empty and parameters["daylight_savings_enabled"]:
            raise ValidationError({"daylight_savings_end": ["Daylight saving would end when it begins."]})

    def perform(
        self, meter: VisitedMeter, parameters: SetClockConfigurationParameters
    ) -> SetClockConfigurationResult:
        begin, end = parameters["daylight_savings_begin"], parameters["daylight_savings_end"]
        enabled = parameters["daylight_savings_enabled"]

        def setting(name: str, attribute: str, value: Data, parse: Callable[[Data], Any]) -> Setting:
            return Setting(name, meter.find_attribute(TAG, attribute), value, parse)

        def pattern(name: str, value: DateTimePattern) -> Setting:
            return setting(name, name, Data(DataType.OCTET_STRING, value.to_octets()), _parse_pattern)

        settings = [
            setting(
                "timezone_offset",
                "time_zone",
                Data(DataType.LONG, meter.clock.turn_minutes(parameters["timezone_offset"])),
                lambda data: meter.clock.turn_minutes(_parse_offset(data)),
            ),
            pattern("daylight_savings_begin", begin),
            pattern("daylight_savings_end", end),
            setting(
                "daylight_savings_enabled",
                "daylight_savings_enabled",
                Data(DataType.BOOLEAN, enabled),
                _parse_enabled,
            ),
        ]
        changes = change(meter, settings)
        return {
            "before": _describe([changed.before for changed in changes]),
            "after": _describe([changed.after for changed in changes]),
        }


def _describe(values: list[Any]) -> ClockConfiguration:
    offset, begin, end, enabled = values
    return {
        "timezone_offset": offset,
        "daylight_savings_begin": begin,
        "daylight_savings_end": end,
        "daylight_savings_enabled": enabled,
    }


def _parse_offset(data: Data) -> int:
    offset = data.value
    if isinstance(offset, bool) or not isinstance(offset, int) or abs(offset) > _LARGEST_OFFSET:
        raise make_illegal_response("The time zone of the clock is not a number of minutes.")
    return offset


def _parse_pattern(data: Data) -> DateTimePattern:
    if not isinstance(data.value, bytes):
        raise make_illegal_response("The begin or end of daylight saving is not a date-time.")
    try:
        return DateTimePattern.from_octets(data.value)
    except InvalidPattern as error:
        raise make_illegal_response(f"The begin or end of daylight saving: {error}") from None


def _parse_enabled(data: Data) -> bool:
    if not isinstance(data.value, bool):
        raise make_illegal_response("Daylight saving is neither on nor off.")
    return data.value
