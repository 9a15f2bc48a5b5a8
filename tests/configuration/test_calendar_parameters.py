"""What is refused of an activity calendar, each error at its field."""

from copy import deepcopy
from typing import Any

import pytest
from rest_framework.exceptions import ValidationError

from osgp.messages.registry import find_operation
from osgp.requests.problems import list_errors
from tests.configuration.calendars import (
    LOW,
    SAMPLE,
    SUMMER,
    WEEKDAYS,
    WINTER,
    WORKDAY,
    calendar,
    season,
    week,
)

TIME = "activate_passive_calendar_time"


def errors_of(parameters: Any) -> dict[str, str]:
    """The refusal of parameters, by pointer."""
    with pytest.raises(ValidationError) as info:
        find_operation("SetActivityCalendar").parse(parameters)
    return {error["pointer"]: error["detail"] for error in list_errors(info.value.detail)}


def changed(path: str, value: Any) -> dict[str, Any]:
    """SAMPLE with another value at a pointer; ``...`` takes it away."""
    parameters = deepcopy(SAMPLE)
    *way, last = [int(part) if part.isdecimal() else part for part in path.strip("/").split("/")]
    place: Any = parameters
    for part in way:
        # Days are shared, in parameters as in their weeks.
        place[part] = deepcopy(place[part])
        place = place[part]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return parameters


def check(parameters: Any, pointer: str, text: str) -> None:
    errors = errors_of(parameters)
    assert set(errors) == {pointer}
    assert text in errors[pointer]


def day(*times: str, day_id: int = 5, script_selector: int = 1) -> dict[str, Any]:
    return {
        "day_id": day_id,
        "actions": [{"start_time": time, "script_selector": script_selector} for time in times],
    }


MONDAY = "/season_profiles/0/week_profile/monday"


@pytest.mark.parametrize(
    ("pointer", "value", "text"),
    [
        ("/calendar_name", ..., "required"),
        ("/calendar_name", "", "blank"),
        ("/calendar_name", "123456789", "8 characters"),
        ("/calendar_name", "Zömer", "ASCII"),
        ("/calendar_name", "a\n", "ASCII"),
        ("/calendar_name", 1, "string"),
        ("/season_profiles", ..., "required"),
        ("/season_profiles", None, "null"),
        ("/season_profiles", [], "1 to 4"),
        ("/season_profiles/0/name", ..., "required"),
        ("/season_profiles/0/name", "10", "one digit"),
        ("/season_profiles/0/name", "a", "one digit"),
        ("/season_profiles/0/name", "٣", "one digit"),
        ("/season_profiles/0/name", "1\n", "one digit"),
        ("/season_profiles/0/name", 1, "string"),
        ("/season_profiles/1/name", "1", "Another season"),
        ("/season_profiles/0/start", ..., "required"),
        ("/season_profiles/0/start", "2026-01-01T00:00:00Z", "24 hexadecimal digits"),
        ("/season_profiles/0/start", "FFFF0230FF00000000FFC400", "day"),
        ("/season_profiles/1/start", WINTER, "Season 1 begins then"),
        ("/season_profiles/0/week_profile", ..., "required"),
        ("/season_profiles/0/week_profile", None, "null"),
        ("/season_profiles/0/week_profile/name", "12", "one digit"),
        ("/season_profiles/0/week_profile/name", ..., "required"),
        ("/season_profiles/0/week_profile/holiday", WORKDAY, "Unknown"),
        *((f"/season_profiles/0/week_profile/{weekday}", ..., "required") for weekday in WEEKDAYS),
        (f"{MONDAY}/day_id", -1, "greater than or equal to 0"),
        (f"{MONDAY}/day_id", 256, "less than or equal to 255"),
        (f"{MONDAY}/day_id", ..., "required"),
        (f"{MONDAY}/actions", ..., "required"),
        (f"{MONDAY}/actions/1/start_time", "24:00", "hour"),
        (f"{MONDAY}/actions/1/start_time", "7 o'clock", "HH:MM"),
        (f"{MONDAY}/actions/1/start_time", ..., "required"),
        (f"{MONDAY}/actions/1/script_selector", 0, "greater than or equal to 1"),
        (f"{MONDAY}/actions/1/script_selector", 0x10000, "less than or equal to 65535"),
        (f"{MONDAY}/actions/1/script_selector", "1", "integer"),
        (f"{MONDAY}/actions/1/script_selector", ..., "required"),
    ],
)
def test_fields(pointer: str, value: Any, text: str) -> None:
    check(changed(pointer, value), pointer, text)


@pytest.mark.parametrize(
    ("actions", "pointer", "text"),
    [
        (day(), "", "1 to 48"),
        (day(*[f"{minute // 60:02}:{minute % 60:02}" for minute in range(49)]), "", "1 to 48"),
        (day("00:01"), "/0/start_time", "start at 00:00"),
        (day("00:00:01"), "/0/start_time", "start at 00:00"),
        (day("00000001"), "/0/start_time", "start at 00:00"),
        (day("00:00", "00:00"), "/1/start_time", "later than"),
        (day("00:00", "08:00", "07:59"), "/2/start_time", "later than"),
        (day("00:00", "08:00", "08000000"), "/2/start_time", "later than"),
        (day("0000FFFF"), "/0/start_time", "unspecified"),
        (day("00:00", "FF000000"), "/1/start_time", "unspecified"),
    ],
)
def test_actions(actions: dict[str, Any], pointer: str, text: str) -> None:
    check(
        calendar(season("1", WINTER, week("1", LOW, actions))),
        # Where the day is used first.
        f"/season_profiles/0/week_profile/saturday/actions{pointer}",
        text,
    )


def test_times_to_the_hundredth_follow_each_other() -> None:
    times = ("00:00", "00000001", "00:00:01", "00:01", "01:00", "173B3B63")
    given = calendar(season("1", WINTER, week("1", day(*times))))
    operation = find_operation("SetActivityCalendar")
    shown = operation.represent_parameters(operation.parse(given))["season_profiles"][0]["week_profile"]
    assert [action["start_time"] for action in shown["monday"]["actions"]] == list(times)


def test_too_many_seasons() -> None:
    seasons = [season(str(n), f"FFFF{n + 1:02X}01FF00000000FFC400", week(str(n))) for n in range(5)]
    check(calendar(*seasons), "/season_profiles", "1 to 4 seasons")
    find_operation("SetActivityCalendar").parse(calendar(*seasons[:4]))


def test_weeks_of_one_name_are_equal() -> None:
    other = season("2", SUMMER, week("1", WORKDAY, LOW))
    check(
        calendar(season("1", WINTER, week("1")), other),
        "/season_profiles/1/week_profile/name",
        "other days in season 0",
    )


def test_days_of_one_id_are_equal() -> None:
    first = calendar(season("1", WINTER, week("1", WORKDAY, {**LOW, "day_id": 0})))
    errors = errors_of(first)
    path = "/season_profiles/0/week_profile"
    assert set(errors) == {f"{path}/saturday/day_id", f"{path}/sunday/day_id"}
    assert "other actions on monday of season 0" in errors[f"{path}/sunday/day_id"]
    second = calendar(
        season("1", WINTER, week("1")),
        season("2", SUMMER, {**week("2"), "sunday": day("00:00", day_id=0, script_selector=2)}),
    )
    check(second, "/season_profiles/1/week_profile/sunday/day_id", "other actions on monday of season 0")


def test_more_than_four_days() -> None:
    days = [day("00:00", day_id=day_id) for day_id in (0, 7, 128, 255, 254, 253)]
    whole = {"name": "1", **dict(zip(WEEKDAYS, [*days, days[0]], strict=True))}
    errors = errors_of(calendar(season("1", WINTER, whole)))
    path = "/season_profiles/0/week_profile"
    assert set(errors) == {f"{path}/friday/day_id", f"{path}/saturday/day_id"}
    assert "more than 4" in errors[f"{path}/friday/day_id"]
    four = {**whole, "friday": days[0], "saturday": days[3]}
    find_operation("SetActivityCalendar").parse(calendar(season("1", WINTER, four)))


def test_all_errors_are_told_at_once() -> None:
    wrong = calendar(
        season("1", WINTER, week("1", day("01:00"), LOW)),
        season("1", WINTER, week("1", LOW, LOW)),
    )
    assert set(errors_of(wrong)) == {
        "/season_profiles/0/week_profile/monday/actions/0/start_time",
        "/season_profiles/1/name",
        "/season_profiles/1/start",
        "/season_profiles/1/week_profile/name",
    }


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (5, "RFC 3339"),
        ("", "RFC 3339"),
        ("2090-07-01", "RFC 3339"),
        ("2090-07-01T00:00:00", "RFC 3339"),
        ("1999-07-01T00:00:00Z", "2000 to 2099"),
        ("082A0701FF00000000FFC4", "RFC 3339"),
        ("082A021EFF00000000FFC400", "does not have that day"),
        ("FFFFFFFFFFFFFFFFFF8000FF", "one moment"),
        ("FFFF0701FF00000000FFC400", "one moment"),
        ("082A0701FFFF000000FFC400", "one moment"),
        ("082A07FEFF00000000FFC400", "one moment"),
    ],
)
def test_activation_at_no_single_time(value: Any, text: str) -> None:
    check({**SAMPLE, TIME: value}, f"/{TIME}", text)


def test_parameters_are_stored_as_they_were_written() -> None:
    operation = find_operation("SetActivityCalendar")
    assert operation.represent_parameters(operation.parse(SAMPLE)) == SAMPLE
