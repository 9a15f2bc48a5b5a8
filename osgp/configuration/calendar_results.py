"""An activity calendar as a meter has it, in the form of the parameters, as far as it makes sense."""

from collections.abc import Mapping, Sequence
from typing import Annotated, TypedDict

from osgp.cosem.activity_calendar import WEEKDAYS, Day, Season, Week, show_name
from osgp.cosem.date_patterns import DateTimePattern, TimePattern
from osgp.messages.date_fields import DateTimePatternField, TimePatternField


class DayAction(TypedDict):
    """From a time of the day on, a tariff."""

    start_time: Annotated[TimePattern, TimePatternField()]
    script_selector: int


class CalendarDay(TypedDict):
    """The tariffs of a day."""

    day_id: int
    actions: Annotated[list[DayAction] | None, "Null if the meter has no such day."]


class CalendarWeek(TypedDict):
    """The days of a week; each is null if the meter has no such week."""

    name: Annotated[str, "A digit; names of other head-ends as text, or hexadecimal after 0x."]
    monday: CalendarDay | None
    tuesday: CalendarDay | None
    wednesday: CalendarDay | None
    thursday: CalendarDay | None
    friday: CalendarDay | None
    saturday: CalendarDay | None
    sunday: CalendarDay | None


class CalendarSeason(TypedDict):
    """From a date on, the same week again and again."""

    name: Annotated[str, "As that of the week."]
    start: Annotated[DateTimePattern, DateTimePatternField()]
    week_profile: CalendarWeek


class ActivityCalendar(TypedDict):
    """A calendar that was read. Null stands for what the meter does not say, or what makes no sense."""

    calendar_name: str | None
    season_profiles: list[CalendarSeason] | None


def describe(
    name: str | None,
    seasons: Sequence[Season] | None,
    weeks: Sequence[Week] | None,
    days: Sequence[Day] | None,
) -> ActivityCalendar:
    """Return a calendar of its parts; None for a part that could not be read."""
    known_days = {day.day_id: _describe_actions(day) for day in days or ()}
    known_weeks = {week.name: week for week in weeks or ()}
    described = None
    if seasons is not None:
        described = [
            CalendarSeason(
                name=show_name(season.name),
                start=season.start,
                week_profile=_describe_week(season.week, known_weeks.get(season.week), known_days),
            )
            for season in seasons
        ]
    return {"calendar_name": name, "season_profiles": described}


def _describe_week(name: bytes, week: Week | None, days: Mapping[int, list[DayAction]]) -> CalendarWeek:
    found: list[CalendarDay | None] = [None] * len(WEEKDAYS)
    if week is not None:
        found = [CalendarDay(day_id=day_id, actions=days.get(day_id)) for day_id in week.day_ids]
    monday, tuesday, wednesday, thursday, friday, saturday, sunday = found
    return {
        "name": show_name(name),
        "monday": monday,
        "tuesday": tuesday,
        "wednesday": wednesday,
        "thursday": thursday,
        "friday": friday,
        "saturday": saturday,
        "sunday": sunday,
    }


def _describe_actions(day: Day) -> list[DayAction]:
    return [
        {"start_time": action.start_time, "script_selector": action.script_selector} for action in day.actions
    ]
