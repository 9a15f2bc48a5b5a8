"""Activity calendars as parameters, and their octets."""

from typing import Any

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
WINTER, SUMMER = "FFFF0101FF00000000FFC400", "FFFF0701FF00000000FFC400"

WORKDAY: dict[str, Any] = {
    "day_id": 0,
    "actions": [
        {"start_time": "00:00", "script_selector": 1},
        {"start_time": "07:00", "script_selector": 2},
        {"start_time": "23:00", "script_selector": 1},
    ],
}
LOW: dict[str, Any] = {"day_id": 1, "actions": [{"start_time": "00:00", "script_selector": 1}]}


def week(name: str, day: dict[str, Any] = WORKDAY, weekend: dict[str, Any] = WORKDAY) -> dict[str, Any]:
    """A week profile."""
    return {"name": name, **dict.fromkeys(WEEKDAYS[:5], day), **dict.fromkeys(WEEKDAYS[5:], weekend)}


def season(name: str, start: str, profile: dict[str, Any]) -> dict[str, Any]:
    """A season profile."""
    return {"name": name, "start": start, "week_profile": profile}


def calendar(*seasons: dict[str, Any], name: str = "SAMPLE", **others: Any) -> dict[str, Any]:
    """The parameters of SetActivityCalendar."""
    return {"calendar_name": name, "season_profiles": list(seasons), **others}


def shown(parameters: dict[str, Any]) -> dict[str, Any]:
    """The calendar of parameters, as results have it."""
    return {name: parameters[name] for name in ("calendar_name", "season_profiles")}


SAMPLE = calendar(season("1", WINTER, week("1")), season("2", SUMMER, week("2")))
OCTETS = {
    "calendar_name": "0906" + b"SAMPLE".hex(),
    "season_profile": "0102"
    "0203 090101 090cffff0101ff00000000ffc400 090101"
    "0203 090102 090cffff0701ff00000000ffc400 090102",
    "week_profile_table": "0102"
    "0208 090101 1100 1100 1100 1100 1100 1100 1100"
    "0208 090102 1100 1100 1100 1100 1100 1100 1100",
    "day_profile_table": "0101 0202 1100 0103"
    "0203 090400000000 090600000a0064ff 120001"
    "0203 090407000000 090600000a0064ff 120002"
    "0203 090417000000 090600000a0064ff 120001",
}
OCTETS = {part: octets.replace(" ", "") for part, octets in OCTETS.items()}
"""Of SAMPLE, by part: two seasons from 1 January and 1 July, with weeks of nothing but day 0."""
