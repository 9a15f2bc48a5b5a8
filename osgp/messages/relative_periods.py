"""Periods told by where they lie before a visit: the day before, or the last six hours.

A schedule can carry them, as they are counted anew at each visit, in the meter's own zone, from the moment at
which the visit begins. They are whole hours, days and months: what has begun at that moment is left out. Both
ends belong to a period, as everywhere: of a day in quarters of an hour these are 97 values, that of the first
midnight included.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from enum import StrEnum
from typing import Annotated, Any, NamedTuple

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from osgp.cosem.profile_rows import CapturePeriod
from osgp.faults import Fault, FaultCode

MOST = 100_000
"""Units of a period; a meter holds fewer."""
FIRST_YEAR = 2000
"""No meter has values from before."""
USUAL_BUFFER = timedelta(days=10)
"""What a buffer of quarters of an hour usually holds, of which nobody has said how much it holds."""


class TimeUnit(StrEnum):
    """What a relative period counts."""

    INTERVAL = "INTERVAL"
    HOUR = "HOUR"
    DAY = "DAY"
    MONTH = "MONTH"


class Between(NamedTuple):
    """From ``begin`` to ``end``, both included."""

    begin: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class RelativePeriod:
    """The last whole units before a visit."""

    last: int
    unit: TimeUnit

    def find_times(
        self,
        moment: datetime,
        zone: tzinfo,
        capture_period: CapturePeriod | None,
        entries: int | None = None,
    ) -> Between:
        """Return its times, in UTC, for a visit that begins at ``moment``; ``zone`` is the meter's.

        ``capture_period`` is the distance of the rows that are read: the INTERVAL. How many ``entries`` the
        meter holds is of no account here. Raises Fault 401 where there is no interval to count, or where the
        period would begin before the year 2000.
        """
        try:
            period = self._count_back(moment, zone, capture_period)
        except OverflowError:
            period = None
        if period is None or period.begin.year < FIRST_YEAR:
            raise _make_fault(f"It would begin before the year {FIRST_YEAR}.")
        return period

    def _count_back(self, moment: datetime, zone: tzinfo, capture_period: CapturePeriod | None) -> Between:
        local = moment.astimezone(zone)
        if self.unit == TimeUnit.INTERVAL:
            if capture_period is None:
                raise _make_fault("What is read has no interval; count hours, days or months.")
            step = capture_period
        else:
            step = UNITS[self.unit]
        if step.seconds:
            # Intervals begin with the hours of the meter's clock, which may be half an hour off those of UTC.
            begun = int(local.replace(tzinfo=UTC).timestamp()) % step.seconds
            end = moment.replace(microsecond=0) - timedelta(seconds=begun)
        else:
            day = local.date().replace(day=1) if step.months else local.date()
            end = datetime.combine(day, time(), zone)
        end = end.astimezone(UTC)
        return Between(step.advance(end, -self.last, zone), end)


@dataclass(frozen=True, slots=True)
class SinceLastReading:
    """From what was read last up to a visit.

    What that is depends on the message, and on what is stored when the meter is visited; its times are the
    longest that it may become.
    """

    def find_times(
        self,
        moment: datetime,
        zone: tzinfo,
        capture_period: CapturePeriod | None,
        entries: int | None = None,
    ) -> Between:
        """Return the times of all that the meter can hold when a visit begins at ``moment``.

        Of a buffer of ``entries`` rows that are ``capture_period`` apart, they are those of whole intervals;
        ``USUAL_BUFFER`` where nobody said how many. What has no interval, as logs of events, is asked for
        from ``FIRST_YEAR`` on.
        """
        beginning = datetime(FIRST_YEAR, 1, 1, tzinfo=UTC)
        if capture_period is None:
            return Between(beginning, moment.replace(microsecond=0).astimezone(UTC))
        end = RelativePeriod(1, TimeUnit.INTERVAL).find_times(moment, zone, capture_period).end
        if entries is None:
            return Between(end - USUAL_BUFFER, end)
        try:
            begin = capture_period.advance(end, 1 - entries, zone)
        except OverflowError:
            begin = beginning
        return Between(max(begin, beginning), end)


UNITS = {
    TimeUnit.HOUR: CapturePeriod(seconds=3600),
    TimeUnit.DAY: CapturePeriod(days=1),
    TimeUnit.MONTH: CapturePeriod(months=1),
}
SINCE_LAST_READING = SinceLastReading()
AnyPeriod = RelativePeriod | SinceLastReading
NAMED: Mapping[str, AnyPeriod] = {
    **{f"PREVIOUS_{unit}": RelativePeriod(1, unit) for unit in UNITS},
    "SINCE_LAST_READING": SINCE_LAST_READING,
}
"""Periods that have a name."""
_NAMES = {period: name for name, period in NAMED.items()}


@extend_schema_field(
    {
        "oneOf": [
            {"type": "string", "enum": list(NAMED)},
            {
                "type": "object",
                "properties": {
                    "last": {"type": "integer", "minimum": 1, "maximum": MOST},
                    "unit": {"type": "string", "enum": [str(unit) for unit in TimeUnit]},
                },
                "required": ["last", "unit"],
                "additionalProperties": False,
            },
        ]
    }
)
class RelativePeriodField(serializers.Field):
    """``PREVIOUS_DAY``, or ``{"last": 96, "unit": "INTERVAL"}``."""

    default_error_messages = {
        "invalid": f"Must be one of {', '.join(NAMED)}, or an object with last and unit.",
        "last": f"Must be an integer from 1 to {MOST}.",
        "unit": f"Must be one of {', '.join(TimeUnit)}.",
        "unknown": "Unknown field.",
    }
    example = "PREVIOUS_DAY"

    def to_internal_value(self, data: Any) -> AnyPeriod:
        """Return the period of JSON."""
        if isinstance(data, str) and data in NAMED:
            return NAMED[data]
        if not isinstance(data, Mapping):
            self.fail("invalid")
        messages = self.default_error_messages
        last, unit = data.get("last"), data.get("unit")
        errors = {str(name)[:64]: messages["unknown"] for name in list(data)[:20] if name not in WRITTEN}
        if not isinstance(last, int) or isinstance(last, bool) or not 1 <= last <= MOST:
            errors["last"] = messages["last"]
        if not isinstance(unit, str) or unit not in list(TimeUnit):
            errors["unit"] = messages["unit"]
        if errors:
            raise ValidationError({name: [text] for name, text in errors.items()})
        return RelativePeriod(data["last"], TimeUnit(data["unit"]))

    def to_representation(self, value: AnyPeriod) -> Any:
        """Return it as JSON."""
        if isinstance(value, RelativePeriod) and value not in _NAMES:
            return {"last": value.last, "unit": str(value.unit)}
        return _NAMES[value]


WRITTEN = ("last", "unit")


RelativePeriodParameter = Annotated[
    AnyPeriod,
    RelativePeriodField(
        help_text="Instead of the two times: whole units of time before the visit, by the meter's clock, or "
        "what came since the last reading. The result says which times it became."
    ),
]
"""``relative_period: NotRequired[RelativePeriodParameter]`` of a message with two times."""


def check_times(parameters: Mapping[str, Any], begin: str, end: str) -> None:
    """Raise ValidationError unless there are either both times or a relative period. The names are those of
    the times.
    """
    given = [name for name in (begin, end) if name in parameters]
    if "relative_period" in parameters:
        if given:
            raise ValidationError(
                {name: ["Cannot be given together with relative_period."] for name in given}
            )
    elif len(given) < 2:
        missing = [name for name in (begin, end) if name not in given]
        raise ValidationError({name: ["Needed, unless there is relative_period."] for name in missing})


def find_times(
    parameters: Mapping[str, Any],
    begin: str,
    end: str,
    *,
    moment: datetime,
    zone: tzinfo,
    capture_period: CapturePeriod | None = None,
    entries: int | None = None,
) -> Between:
    """Return the times of checked parameters for a visit that begins at ``moment``. Raises Fault 401.

    Of SINCE_LAST_READING, all that a buffer of ``entries`` rows can hold.
    """
    relative: AnyPeriod | None = parameters.get("relative_period")
    if relative is None:
        return Between(parameters[begin], parameters[end])
    return relative.find_times(moment, zone, capture_period, entries)


def is_since_last_reading(parameters: Mapping[str, Any]) -> bool:
    """Return whether checked parameters ask for what came since the last reading."""
    return parameters.get("relative_period") == SINCE_LAST_READING


def _make_fault(text: str) -> Fault:
    return Fault(FaultCode.VALIDATION_ERROR, text, pointer="/relative_period")
