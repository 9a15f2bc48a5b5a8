"""The parameters of an activity calendar, what has to be right about them, and the tables they become."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, NotRequired, TypedDict

from django.core.validators import RegexValidator

from osgp.cosem.activity_calendar import MOST_ACTIONS, WEEKDAYS, Action, Day, Season, Week, encode_name
from osgp.cosem.date_patterns import DateTimePattern, TimePattern
from osgp.messages.date_fields import DateTimePatternField, Moment, MomentField, TimePatternField
from osgp.messages.serializers import CharField, IntegerField

MOST_SEASONS = 4
MOST_DAYS = 4
"""Different days of all weeks. That there are no more weeks than seasons goes without saying."""


class _NameField(CharField):
    """Of a season or a week: one decimal digit."""

    example = "1"
    default_validators = [RegexValidator(r"^[0-9]\Z", "Must be one digit.")]


_MIDNIGHT = TimePattern(0, 0, 0, 0)

Path = tuple[str | int, ...]
Errors = Iterator[tuple[Path, str]]


class DayProfileAction(TypedDict):
    """From a time of the day on, a tariff."""

    start_time: Annotated[TimePattern, TimePatternField(), "Local time of the meter. Nothing unspecified."]
    script_selector: Annotated[
        int,
        IntegerField(min_value=1, max_value=0xFFFF),
        "Script of the meter's tariffication script table.",
    ]


class DayProfile(TypedDict):
    """The tariffs of a day."""

    day_id: Annotated[
        int,
        IntegerField(min_value=0, max_value=0xFF),
        "The same day id has the same actions wherever it is used; there are at most four.",
    ]
    actions: Annotated[
        list[DayProfileAction],
        f"1 to {MOST_ACTIONS}, the first at 00:00, each later than the one before.",
    ]


class WeekProfile(TypedDict):
    """The days of a week."""

    name: Annotated[str, _NameField(), "One digit. The same name has the same days in all seasons."]
    monday: DayProfile
    tuesday: DayProfile
    wednesday: DayProfile
    thursday: DayProfile
    friday: DayProfile
    saturday: DayProfile
    sunday: DayProfile


class SeasonProfile(TypedDict):
    """From a date on, the same week again and again."""

    name: Annotated[str, _NameField(), "One digit, another one for each season."]
    start: Annotated[DateTimePattern, DateTimePatternField(), "When it begins; the year is any, as a rule."]
    week_profile: WeekProfile


class SetActivityCalendarParameters(TypedDict):
    """The whole calendar."""

    calendar_name: Annotated[
        str,
        CharField(max_length=8, validators=[RegexValidator(r"^[ -~]*\Z", "Must be ASCII characters.")]),
        "Printable ASCII characters.",
    ]
    activate_passive_calendar_time: NotRequired[
        Annotated[
            Moment,
            MomentField(),
            "When the meter is to make the calendar active; at once if left out. An RFC 3339 time, or 24 "
            "hexadecimal digits of a date-time. Must be in the future when the meter is visited.",
        ]
    ]
    season_profiles: Annotated[list[SeasonProfile], f"1 to {MOST_SEASONS} seasons."]


def find_errors(seasons: Sequence[SeasonProfile]) -> dict[str, Any]:
    """Return what is wrong with seasons whose fields are valid, nested as ValidationError takes it."""
    errors: dict[Any, Any] = {}
    if not 1 <= len(seasons) <= MOST_SEASONS:
        return {"season_profiles": [f"Must be 1 to {MOST_SEASONS} seasons."]}
    for path, text in (*_check_seasons(seasons), *_check_weeks(seasons), *_check_days(seasons)):
        place = errors
        for part in path[:-1]:
            place = place.setdefault(part, {})
        place.setdefault(path[-1], []).append(text)
    return {"season_profiles": errors} if errors else {}


def list_seasons(seasons: Sequence[SeasonProfile]) -> list[Season]:
    """Return the season profile, in the order of the parameters."""
    return [
        Season(encode_name(season["name"]), season["start"], encode_name(season["week_profile"]["name"]))
        for season in seasons
    ]


def list_weeks(seasons: Sequence[SeasonProfile]) -> list[Week]:
    """Return the week profile table: each week once, in the order in which they are used first."""
    weeks = {season["week_profile"]["name"]: season["week_profile"] for season in seasons}
    return [Week(encode_name(name), _list_day_ids(week)) for name, week in weeks.items()]


def list_days(seasons: Sequence[SeasonProfile]) -> list[Day]:
    """Return the day profile table: each day once, in the order in which they are used first."""
    days = {day["day_id"]: day for _, day in _go_through_days(seasons)}
    return [
        Day(
            day_id,
            tuple(Action(action["start_time"], action["script_selector"]) for action in day["actions"]),
        )
        for day_id, day in days.items()
    ]


def _list_day_ids(week: WeekProfile) -> tuple[int, ...]:
    return tuple(day["day_id"] for _, day in _list_days_of(week))


def _list_days_of(week: WeekProfile) -> list[tuple[str, DayProfile]]:
    days: Any = week  # the names of the keys are those of the weekdays
    return [(weekday, days[weekday]) for weekday in WEEKDAYS]


def _go_through_days(seasons: Sequence[SeasonProfile]) -> Iterator[tuple[Path, DayProfile]]:
    for index, season in enumerate(seasons):
        for weekday, day in _list_days_of(season["week_profile"]):
            yield (index, "week_profile", weekday), day


def _check_seasons(seasons: Sequence[SeasonProfile]) -> Errors:
    for index, season in enumerate(seasons):
        for other in seasons[:index]:
            if season["name"] == other["name"]:
                yield (index, "name"), "Another season has this name."
            if season["start"] == other["start"]:
                yield (index, "start"), f"Season {other['name']} begins then."


def _check_weeks(seasons: Sequence[SeasonProfile]) -> Errors:
    first: dict[str, tuple[int, WeekProfile]] = {}
    for index, season in enumerate(seasons):
        week = season["week_profile"]
        place, known = first.setdefault(week["name"], (index, week))
        if _list_day_ids(known) != _list_day_ids(week):
            yield (index, "week_profile", "name"), f"The week of this name has other days in season {place}."


def _check_days(seasons: Sequence[SeasonProfile]) -> Errors:
    first: dict[int, tuple[Path, DayProfile]] = {}
    for path, day in _go_through_days(seasons):
        day_id = day["day_id"]
        if day_id in first:
            # Its actions were checked where it was used first.
            place, known = first[day_id]
            if known["actions"] != day["actions"]:
                yield (
                    (*path, "day_id"),
                    f"The day with this id has other actions on {place[-1]} of season {place[0]}.",
                )
            continue
        first[day_id] = path, day
        if len(first) > MOST_DAYS:
            yield (*path, "day_id"), f"There are more than {MOST_DAYS} different days."
        for inner, text in _check_actions(day["actions"]):
            yield (*path, "actions", *inner), text


def _check_actions(actions: Sequence[DayProfileAction]) -> Errors:
    if not 1 <= len(actions) <= MOST_ACTIONS:
        yield (), f"Must be 1 to {MOST_ACTIONS} actions."
        return
    for index, action in enumerate(actions):
        start_time = action["start_time"]
        if not start_time.is_single:
            yield (index, "start_time"), "Nothing may be unspecified."
        elif index == 0 and start_time != _MIDNIGHT:
            yield (index, "start_time"), "The first action has to start at 00:00."
        elif index and start_time.to_octets() <= actions[index - 1]["start_time"].to_octets():
            yield (index, "start_time"), "Must be later than that of the action before."
