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

    def find_times(self, moment: datetime, zone: tzinfo, capture_period: CapturePeriod | None) -> Between:
        """Return its times, in UTC, for a visit that begins at ``moment``; ``zone`` is the meter's.

        ``capture_period`` is the distance of the rows that are read: the INTERVAL. Raises Fault 401 where
        there is none, or where the period would begin before the year 2000.
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


UNITS = {
    TimeUnit.HOUR: CapturePeriod(seconds=3600),
    TimeUnit.DAY: CapturePeriod(days=1),
    TimeUnit.MONTH: CapturePeriod(months=1),
}
NAMED = {f"PREVIOUS_{unit}": RelativePeriod(1, unit) for unit in UNITS}
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

    def to_internal_value(self, data: Any) -> RelativePeriod:
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

    def to_representation(self, value: RelativePeriod) -> Any:
        """Return it as JSON."""
        return _NAMES.get(value) or {"last": value.last, "unit": str(value.unit)}


WRITTEN = ("last", "unit")


RelativePeriodParameter = Annotated[
    RelativePeriod,
    RelativePeriodField(
        help_text="Instead of the two times: whole units of time before the visit, by the meter's clock. The "
        "result says which times it became."
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
) -> Between:
    """Return the times of checked parameters for a visit that begins at ``moment``. Raises Fault 401."""
    relative: RelativePeriod | None = parameters.get("relative_period")
    if relative is None:
        return Between(parameters[begin], parameters[end])
    return relative.find_times(moment, zone, capture_period)


def _make_fault(text: str) -> Fault:
    return Fault(FaultCode.VALIDATION_ERROR, text, pointer="/relative_period")
