"""Ten messages that configure one meter: as a bundle, together in one visit, and one after another."""

from collections.abc import Iterator
from pathlib import Path

from scripts.benchmarks import one_meter
from scripts.benchmarks.head_end import HeadEnd
from scripts.benchmarks.measuring import Figure
from scripts.benchmarks.sizes import Sizes

PROFILE = "SMR-5.5"
"""The one that has the objects of all ten."""
_ALL_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAY = {
    "day_id": 0,
    "actions": [
        {"start_time": "00:00", "script_selector": 1},
        {"start_time": "07:00", "script_selector": 2},
        {"start_time": "23:00", "script_selector": 1},
    ],
}
MESSAGES: list[one_meter.Message] = [
    {"message": "SetAdministrativeStatus", "enabled": "OFF"},
    {"message": "SetSpecialDays", "special_days": [{"date": "2027-01-01", "day_id": 0}]},
    {
        "message": "SetActivityCalendar",
        "calendar_name": "SUMMER",
        "season_profiles": [
            {
                "name": "1",
                "start": "FFFF0101FF00000000FFC400",
                "week_profile": {"name": "1", **dict.fromkeys(_ALL_DAYS, _DAY)},
            }
        ],
    },
    {
        "message": "SetClockConfiguration",
        "timezone_offset": -60,
        "daylight_savings_begin": "FFFF03FE0702000000FFC400",
        "daylight_savings_end": "FFFF0AFE0703000000FF8880",
    },
    {
        "message": "SetConfigurationObject",
        "configuration_flags": [{"flag": "DIRECT_ATTACH_AT_POWER_ON", "enabled": True}],
    },
    {
        "message": "SetAlarmNotifications",
        "alarm_notifications": [{"alarm_type": "REPLACE_BATTERY", "enabled": True}],
    },
    {"message": "SetPushSetupAlarm", "host": "192.0.2.1", "port": 9598},
    {"message": "SetPushSetupSms", "host": "192.0.2.1", "port": 9598},
    {
        "message": "SetThdConfiguration",
        "value_threshold": 50,
        "value_hysteresis": 5,
        "min_duration_normal_to_over": 1200,
        "min_duration_over_to_normal": 1080,
        "time_threshold": 96000,
    },
    {"message": "ConfigureDefinableLoadProfile", "capture_period": 900},
]


def measure(head_end: HeadEnd, sizes: Sizes, folder: Path) -> Iterator[Figure]:
    """A meter for each way, all alike."""
    what = f"{len(MESSAGES)} configuration messages"
    yield from one_meter.compare(head_end, what, MESSAGES, "--profile", PROFILE)
