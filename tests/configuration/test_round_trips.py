"""Round trips of each message to a simulated SMR 5.5 meter, held to the table that users read."""

import re
from pathlib import Path
from typing import Any

import pytest

from osgp.simulator.meter.control import CONNECTED, DISCONNECTED
from tests.configuration.calendars import SAMPLE
from tests.configuration.mbus_client import make_keys_of
from tests.visited import NOW, Visits, perform, saying

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "configure-meters.md"
LISTS = (1, 32)
CHANNEL = 1
"""Of the M-Bus device that some messages are about."""
HOST = {"host": "192.0.2.1", "port": 4059}
OBJECTS = [
    {"class_id": 1, "obis_code": "0-0:96.1.1.255", "attribute": 2},
    {"class_id": 1, "obis_code": "0-0:97.98.0.255", "attribute": 2},
]
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "GetAdministrativeStatus": ("GetAdministrativeStatus", {}),
    "SetAdministrativeStatus": ("SetAdministrativeStatus", {"enabled": "OFF"}),
    "SetSpecialDays": ("SetSpecialDays", {"special_days": [{"date": "*-12-25", "day_id": 1}]}),
    "SetActivityCalendar, active at once": ("SetActivityCalendar", SAMPLE),
    "SetActivityCalendar, active later": (
        "SetActivityCalendar",
        {**SAMPLE, "activate_passive_calendar_time": "2090-07-01T00:00:00+02:00"},
    ),
    "SetClockConfiguration": (
        "SetClockConfiguration",
        {
            "timezone_offset": -60,
            "daylight_savings_begin": "FFFF03FE0702000000FFC400",
            "daylight_savings_end": "FFFF0AFE0703000000FF8880",
        },
    ),
    "GetConfigurationObject": ("GetConfigurationObject", {}),
    "SetConfigurationObject": (
        "SetConfigurationObject",
        {"configuration_flags": [{"flag": "HLS_7_ON_P0_ENABLE", "enabled": True}]},
    ),
    "SetRandomisationSettings": (
        "SetRandomisationSettings",
        {
            "direct_attach": 0,
            "randomisation_start_window": 7,
            "multiplication_factor": 2,
            "number_of_retries": 9,
        },
    ),
    "SetAlarmNotifications, one filter": (
        "SetAlarmNotifications",
        {"alarm_notifications": [{"alarm_type": "LAST_GASP", "enabled": True}]},
    ),
    "SetPushSetupAlarm, two objects": ("SetPushSetupAlarm", {**HOST, "push_objects": OBJECTS}),
    "SetPushSetupSms": ("SetPushSetupSms", HOST),
    "SetPushSetupLastGasp": ("SetPushSetupLastGasp", HOST),
    "SetPushSetupUdp": ("SetPushSetupUdp", {}),
    "SetThdConfiguration": (
        "SetThdConfiguration",
        {
            "value_threshold": 50,
            "value_hysteresis": 5,
            "min_duration_normal_to_over": 1200,
            "min_duration_over_to_normal": 1080,
            "time_threshold": 96000,
        },
    ),
    "ConfigureDefinableLoadProfile, both": (
        "ConfigureDefinableLoadProfile",
        {"capture_objects": OBJECTS[:1], "capture_period": 60},
    ),
    "SetSpecificAttributeValue, two values": (
        "SetSpecificAttributeValue",
        {
            "values": [
                {"object": "PUSH_SETUP_ALARM", "attribute": 5, "value": 1},
                {"object": "PUSH_SETUP_ALARM", "attribute": 6, "value": 1},
            ]
        },
    ),
    "GetFirmwareVersion": ("GetFirmwareVersion", {}),
    "SetEncryptionKeyExchangeOnGMeter, user key": ("SetEncryptionKeyExchangeOnGMeter", {}),
    "SetEncryptionKeyExchangeOnGMeter, another key": (
        "SetEncryptionKeyExchangeOnGMeter",
        {"secret_type": "G_METER_OPTICAL_PORT_KEY"},
    ),
    "SetMbusUserKeyByChannel": ("SetMbusUserKeyByChannel", {"channel": CHANNEL}),
    "GetMbusEncryptionKeyStatus": ("GetMbusEncryptionKeyStatus", {}),
    "GetMbusEncryptionKeyStatusByChannel": ("GetMbusEncryptionKeyStatusByChannel", {"channel": CHANNEL}),
    "DisconnectRelay": ("DisconnectRelay", {}),
    "ReconnectRelay": ("ReconnectRelay", {}),
}

RELAY_BEFORE = {"DisconnectRelay": CONNECTED, "ReconnectRelay": DISCONNECTED}
"""What there has to be so that there is something to switch."""


def count(visits: Visits, message: str, parameters: dict[str, Any], with_list_max: int) -> int:
    """Round trips of a message, without those of the association."""
    simulated = visits.simulated("SMR-5.5")
    if message in RELAY_BEFORE:
        simulated.switch(RELAY_BEFORE[message], NOW.timestamp())
    connection = {"with_list_max": with_list_max}
    keys = make_keys_of(simulated, CHANNEL)
    options = {"channel": CHANNEL, "keys": keys, "find_mbus_keys": lambda *_: keys}
    with saying(simulated, {}), visits.visit(simulated, connection=connection, **options) as meter:
        before = meter.association.statistics.round_trips
        perform(meter, message, parameters)
        return meter.association.statistics.round_trips - before


@pytest.mark.django_db
def test_the_table_says_what_is_so(visits: Visits) -> None:
    section = PAGE.read_text().partition("## Round trips")[2].partition("\n## ")[0]
    told = {
        name: (int(alone), int(listed))
        for name, alone, listed in re.findall(r"^\| (\w[^|]*?) \| (\d+) \| (\d+) \|$", section, re.MULTILINE)
    }
    counted = {
        name: (count(visits, *case, LISTS[0]), count(visits, *case, LISTS[1])) for name, case in CASES.items()
    }
    assert told == counted
