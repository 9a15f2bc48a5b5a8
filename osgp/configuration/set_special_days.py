"""SetSpecialDays: days on which a meter uses another day of its activity calendar."""

from typing import Annotated, Any, TypedDict

from rest_framework.exceptions import ValidationError

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.cosem import special_days
from osgp.cosem.date_patterns import DatePattern
from osgp.messages.changes import Setting, change
from osgp.messages.date_fields import DatePatternField
from osgp.messages.operation import MeterOperation, Service
from osgp.messages.registry import register
from osgp.messages.serializers import IntegerField
from osgp.messages.visited_meter import VisitedMeter

TAG = "SPECIAL_DAYS_TABLE"
MOST_DAYS = 30


class SpecialDay(TypedDict):
    """A day of the year, or several, and the day of the activity calendar that applies on it."""

    date: Annotated[
        DatePattern,
        DatePatternField(),
        "YYYY-MM-DD, any part may be *; or 10 hexadecimal digits of a COSEM date, for weekdays and marks "
        "such as the last day of a month.",
    ]
    day_id: Annotated[
        int,
        IntegerField(min_value=0, max_value=0xFF),
        "A day_id of the activity calendar.",
    ]


class SetSpecialDaysParameters(TypedDict):
    """The whole table."""

    special_days: Annotated[list[SpecialDay], f"1 to {MOST_DAYS}; each date once."]


class SetSpecialDaysResult(TypedDict):
    """The table of the meter, read from it, in the order of its indexes."""

    before: Annotated[list[SpecialDay] | None, "Null if the meter did not say."]
    after: Annotated[list[SpecialDay] | None, "Null if the meter does not say."]


@register
class SetSpecialDays(MeterOperation[SetSpecialDaysParameters, SetSpecialDaysResult]):
    """Replace the special days of a meter: days on which another day of its activity calendar applies.

    All of the table is replaced. It is read back. Whether the calendar has the day ids is not checked, as the
    calendar may be set later.
    """

    message = "SetSpecialDays"
    service = Service.CONFIGURATION
    granted_to = frozenset({DeviceFunctionGroup.OWNER, DeviceFunctionGroup.CONFIGURATION})
    needs = (TAG,)
    # All of the table is written anew.
    repeatable = True

    def check_parameters(self, parameters: SetSpecialDaysParameters) -> None:
        """Raise ValidationError for too many days, and for dates that come twice."""
        days = parameters["special_days"]
        if not 1 <= len(days) <= MOST_DAYS:
            raise ValidationError({"special_days": [f"Must be 1 to {MOST_DAYS} days."]})
        first: dict[DatePattern, int] = {}
        errors: Any = {
            index: {"date": [f"Day {first[day['date']]} has this date already."]}
            for index, day in enumerate(days)
            if first.setdefault(day["date"], index) != index
        }
        if errors:
            raise ValidationError({"special_days": errors})

    def perform(self, meter: VisitedMeter, parameters: SetSpecialDaysParameters) -> SetSpecialDaysResult:
        days = [special_days.SpecialDay(day["date"], day["day_id"]) for day in parameters["special_days"]]
        attribute = meter.find_attribute(TAG, "entries")
        setting = Setting("special_days", attribute, special_days.encode(days), special_days.parse)
        [changed] = change(meter, [setting])
        return {"before": _describe(changed.before), "after": _describe(changed.after)}


def _describe(days: list[special_days.SpecialDay] | None) -> list[SpecialDay] | None:
    return None if days is None else [{"date": day.date, "day_id": day.day_id} for day in days]
