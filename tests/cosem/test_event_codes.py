"""The tables of event codes, the Dutch ones checked against samples of each of its parts."""

import pytest

from osgp import catalogue
from osgp.cosem.event_codes import find_event_type
from tests.catalogue.generations import ALL, NOT_DSMR2, SHIPPED, SMR5, WITH_THD

DSMR, SMR = catalogue.find_profile("DSMR", "4.2.2"), catalogue.find_profile("SMR", "5.2")
LOG = "STANDARD_EVENT_LOG"


@pytest.mark.parametrize("profile", SHIPPED, ids=lambda profile: profile.key)
def test_how_many_there_are_in_dutch_meters(profile: catalogue.Profile) -> None:
    for category in profile.event_logs:
        names = profile.get_event_types(category)
        # No two codes have the same type.
        assert len(names) == len(set(names.values())) == 289 + 6


def test_all_names_of_all_profiles() -> None:
    names = catalogue.list_event_types()
    dutch = [
        each
        for profile in SHIPPED
        for log in profile.event_logs
        for each in profile.get_event_types(log).values()
    ]
    assert len(set(dutch)) == 289 + 12
    assert names[:3] == ("POWER_FAILURE", "POWER_RETURNED", "CLOCK_UPDATE")
    assert names[300] == "VOLTAGE_L3_NORMAL"
    # Behind them what is only in the other profile.
    assert set(names[:301]) == set(dutch)
    assert names[301:] == (
        "BREAKER_OPENED_REMOTELY",
        "BREAKER_CLOSED_REMOTELY",
        "BREAKER_OPENED_BY_LIMITER",
        *(f"INSTALLER_EVENT_{code}" for code in range(200, 204)),
    )


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (1, "POWER_FAILURE"),
        (25, "LAST_GASP_TEST"),
        (46, "FAILED_LOGIN_ATTEMPT"),
        (51, "THD_OVER_LIMIT_L1"),
        (56, "THD_NORMAL_L3"),
        (58, "THD_LONG_OVER_LIMIT_L2"),
        (76, "RETRIEVE_INTERVAL_DATA_G"),
        (79, "UNDER_VOLTAGE_L3"),
        (86, "PHASE_OUTAGE_L1"),
        (89, "PHASE_OUTAGE_TEST"),
        (92, "PHASE_RETURNED_L3"),
        (94, "VOLTAGE_SAG_IN_PHASE_L2"),
        (98, "VOLTAGE_SWELL_IN_PHASE_L3"),
        (99, "LAST_GASP"),
        (100, "COMMUNICATION_ERROR_M_BUS_CHANNEL_1"),
        (115, "NEW_M_BUS_DEVICE_DISCOVERED_CHANNEL_2"),
        (137, "DEAD_BATTERY_ERROR_M_BUS_DEVICE_CHANNEL_4"),
        (230, "MANUFACTURER_SPECIFIC_230"),
        (249, "MANUFACTURER_SPECIFIC_249"),
        (255, "EVENTLOG_CLEARED"),
        (0x1000, "MBUS_FW_UPGRADE_SUCCESSFUL_CHANNEL_1"),
        (0x1307, "MBUS_FW_UPGRADE_INVALID_FIRMWARE_FOR_THIS_DEVICE_CHANNEL_4"),
        (0x8080, "MBUS_STATUS_BIT_0_BATTERY_LOW_CHANNEL_1"),
        (0x828D, "MBUS_STATUS_BIT_13_HIGH_FLOW_GREATER_THAN_QMAX_CHANNEL_3"),
        (0x8193, "MBUS_STATUS_BIT_19_BATTERY_COMPLETELY_EMPTY_ALARM_CHANNEL_2"),
        (0x819F, "MBUS_STATUS_BIT_31_MANUFACTURER_SPECIFIC_CHANNEL_2"),
        (0x83A1, "KEY_ACKNOWLEDGED_BY_MBUS_DEVICE_ON_CHANNEL_4"),
        (0xFFFF, "AUXILIARY_EVENTLOG_CLEARED"),
    ],
)
def test_what_codes_mean_in_any_protocol(code: int, name: str) -> None:
    assert find_event_type(DSMR, LOG, code) == find_event_type(SMR, LOG, code) == name


def test_six_codes_differ_by_protocol() -> None:
    assert [find_event_type(DSMR, LOG, code) for code in range(80, 86)] == [
        "PV_VOLTAGE_SAG_L1",
        "PV_VOLTAGE_SAG_L2",
        "PV_VOLTAGE_SAG_L3",
        "PV_VOLTAGE_SWELL_L1",
        "PV_VOLTAGE_SWELL_L2",
        "PV_VOLTAGE_SWELL_L3",
    ]
    assert [find_event_type(SMR, LOG, code) for code in range(80, 86)] == [
        "OVER_VOLTAGE_L1",
        "OVER_VOLTAGE_L2",
        "OVER_VOLTAGE_L3",
        "VOLTAGE_L1_NORMAL",
        "VOLTAGE_L2_NORMAL",
        "VOLTAGE_L3_NORMAL",
    ]
    # SMR 4.3 has the objects of DSMR 4.2.2, but names of its own.
    assert find_event_type(catalogue.find_profile("SMR", "4.3"), LOG, 80) == "OVER_VOLTAGE_L1"


@pytest.mark.parametrize(
    "code", [0, 26, 39, 50, 60, 70, 108, 138, 229, 250, 999, 0x1008, 0x1400, 0x80A2, 0x8480]
)
def test_codes_that_nobody_knows(code: int) -> None:
    assert find_event_type(SMR, LOG, code) == "UNKNOWN_EVENT_HEADEND"


def test_every_log_is_in_some_profile() -> None:
    categories = catalogue.list_event_log_categories()
    having = {
        category: [item.key for item in catalogue.list_profiles() if category in item.event_logs]
        for category in categories
    }
    every, smr5 = [*ALL], [*SMR5]
    assert categories == (
        "STANDARD_EVENT_LOG",
        "FRAUD_DETECTION_LOG",
        "M_BUS_EVENT_LOG",
        "COMMUNICATION_SESSION_LOG",
        "POWER_QUALITY_EVENT_LOG",
        "AUXILIARY_EVENT_LOG",
        "POWER_QUALITY_EXTENDED_EVENT_LOG",
        "POWER_QUALITY_THD_EVENT_LOG",
        "METER_EVENT_LOG",
    )
    assert having["STANDARD_EVENT_LOG"] == every
    assert having["FRAUD_DETECTION_LOG"] == every
    assert having["M_BUS_EVENT_LOG"] == every
    assert having["COMMUNICATION_SESSION_LOG"] == [*NOT_DSMR2]
    assert having["POWER_QUALITY_EVENT_LOG"] == smr5
    assert having["AUXILIARY_EVENT_LOG"] == smr5[1:]
    assert having["POWER_QUALITY_EXTENDED_EVENT_LOG"] == smr5[2:]
    assert having["POWER_QUALITY_THD_EVENT_LOG"] == [*WITH_THD]
    assert having["METER_EVENT_LOG"] == ["TST-1.0"]


@pytest.mark.parametrize("tag", ["READ_MBUS_STATUS", "CLEAR_MBUS_STATUS"])
def test_bits_of_an_mbus_status(tag: str) -> None:
    flags = SMR[tag].flags
    assert flags is not None
    assert flags.decode(0).names == ()
    assert flags.decode(0x80090005).names == (
        "BIT_0_BATTERY_LOW",
        "BIT_2_REVERSE_FLOW",
        "BIT_16_P0_ENABLED",
        "BIT_19_BATTERY_COMPLETELY_EMPTY_ALARM",
        "BIT_31_MANUFACTURER_SPECIFIC",
    )
    assert len(flags.decode(0xFFFFFFFF).names) == 32
    for value in (-1, 1 << 32):
        with pytest.raises(ValueError, match="32 bits"):
            flags.decode(value)
