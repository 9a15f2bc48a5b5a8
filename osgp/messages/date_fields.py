"""Fields for COSEM dates, times and date-times with wildcards: see :mod:`osgp.cosem.date_patterns`.

They take text or hexadecimal digits. Answers show the text where it says everything, else the digits.
"""

from datetime import datetime
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from osgp.cosem.date_patterns import DatePattern, DateTimePattern, InvalidPattern, TimePattern
from osgp.messages.serializers import DateTimeField, utc_text

_DATE_EXAMPLE, _TIME_EXAMPLE = "*-12-25", "00:00"
_LAST_SUNDAY_OF_MARCH = "FFFF03FE0702000000FFC400"


class _PatternField(serializers.Field):
    """To be derived from: patterns of one ``kind``."""

    default_error_messages = {"invalid": "Must be a string."}
    kind: ClassVar[type[DatePattern | TimePattern | DateTimePattern]]
    example: ClassVar[str]

    def to_internal_value(self, data: Any) -> Any:
        """Return the pattern of JSON."""
        if not isinstance(data, str):
            self.fail("invalid")
        try:
            return self.kind.from_text(data)
        except InvalidPattern as error:
            raise ValidationError([str(error)]) from None

    def to_representation(self, value: Any) -> str:
        """Return it as JSON."""
        text: str = value.to_text()
        return text


@extend_schema_field(
    {
        "type": "string",
        "pattern": r"^((\d{4}|\*)-(\d{2}|\*)-(\d{2}|\*)|[0-9A-Fa-f]{10})$",
        "example": _DATE_EXAMPLE,
    }
)
class DatePatternField(_PatternField):
    """``2026-12-25``, any part may be ``*``; or 10 hexadecimal digits: year, month, day, weekday."""

    kind = DatePattern
    example = _DATE_EXAMPLE


@extend_schema_field(
    {
        "type": "string",
        "pattern": r"^(\d{2}:\d{2}(:\d{2})?|[0-9A-Fa-f]{8})$",
        "example": _TIME_EXAMPLE,
    }
)
class TimePatternField(_PatternField):
    """``07:00``, ``07:00:30``; or 8 hexadecimal digits: hour, minute, second, hundredths."""

    kind = TimePattern
    example = _TIME_EXAMPLE


@extend_schema_field(
    {"type": "string", "pattern": "^[0-9A-Fa-f]{24}$", "example": _LAST_SUNDAY_OF_MARCH},
)
class DateTimePatternField(_PatternField):
    """24 hexadecimal digits: the date, the time, the deviation and the clock status."""

    kind = DateTimePattern
    example = _LAST_SUNDAY_OF_MARCH


Moment = datetime | DateTimePattern
"""One moment: known, or in the form of a meter, whose zone may be needed."""


@extend_schema_field(
    {
        "oneOf": [
            {"type": "string", "format": "date-time"},
            {"type": "string", "pattern": "^[0-9A-Fa-f]{24}$", "example": "07EB0101FF00000000FFC400"},
        ]
    }
)
class MomentField(serializers.Field):
    """One moment: a time of RFC 3339 with its offset, or 24 hexadecimal digits of a COSEM date-time.

    Of the latter the weekday, hundredths, deviation and status may be unspecified; without a deviation it is
    local time of the meter.
    """

    default_error_messages = {
        "invalid": "Must be an RFC 3339 time with an offset, such as 2026-01-31T14:00:00Z, or 24 hexadecimal "
        "digits.",
        "wildcards": "Must be one moment: year, month, day, hour, minute and second have to be there.",
    }
    example = "2027-01-01T00:00:00+01:00"

    def to_internal_value(self, data: Any) -> Moment:
        """Return the moment of JSON, an RFC 3339 time in UTC."""
        if not isinstance(data, str):
            self.fail("invalid")
        if ":" in data:
            return DateTimeField().to_internal_value(data)
        try:
            pattern = DateTimePattern.from_text(data)
        except InvalidPattern as error:
            if len(data) == len(_LAST_SUNDAY_OF_MARCH):
                raise ValidationError([str(error)]) from None
            self.fail("invalid")
        if not pattern.is_single:
            self.fail("wildcards")
        return pattern

    def to_representation(self, value: Moment) -> str:
        """Return it as JSON."""
        return utc_text(value) if isinstance(value, datetime) else value.to_text()
