"""The table of event codes, checked against samples of each of its parts."""

import pytest

from osgp import catalogue
from osgp.cosem.event_codes import (
    EVENT_TYPES,
    PROTOCOL_EVENT_TYPES,
    EventLogCategory,
    event_type,
    log_tag,
)
from osgp.cosem.mbus_status import status_bits


def test_how_many_there_are() -> None:
    assert len(EVENT_TYPES) == 289
    assert {protocol: sorted(names) for protocol, names in PROTOCOL_EVENT_TYPES.items()} == {
        "DSMR": list(range(80, 86)),
        "SMR": list(range(80, 86)),
    }
    # No two codes have the same type.
    of_protocols = [name for names in PROTOCOL_EVENT_TYPES.values() for name in names.values()]
    assert len({*EVENT_TYPES.values(), *of_protocols}) == 289 + 12


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
        (0x819F, "MBUS_STATUS_BIT_31_MANUFACTURER_SPECIFIC_CHANNEL_2"),
        (0x83A1, "KEY_ACKNOWLEDGED_BY_MBUS_DEVICE_ON_CHANNEL_4"),
        (0xFFFF, "AUXILIARY_EVENTLOG_CLEARED"),
    ],
)
def test_what_codes_mean_in_any_protocol(code: int, name: str) -> None:
    assert event_type(code, "DSMR") == event_type(code, "SMR") == event_type(code, "OTHER") == name


def test_six_codes_differ_by_protocol() -> None:
    assert [event_type(code, "DSMR") for code in range(80, 86)] == [
        "PV_VOLTAGE_SAG_L1",
        "PV_VOLTAGE_SAG_L2",
        "PV_VOLTAGE_SAG_L3",
        "PV_VOLTAGE_SWELL_L1",
        "PV_VOLTAGE_SWELL_L2",
        "PV_VOLTAGE_SWELL_L3",
    ]
    assert [event_type(code, "smr") for code in range(80, 86)] == [
        "OVER_VOLTAGE_L1",
        "OVER_VOLTAGE_L2",
        "OVER_VOLTAGE_L3",
        "VOLTAGE_L1_NORMAL",
        "VOLTAGE_L2_NORMAL",
        "VOLTAGE_L3_NORMAL",
    ]
    assert event_type(80, "OTHER") == "UNKNOWN_EVENT_HEADEND"


@pytest.mark.parametrize(
    "code", [0, 26, 39, 50, 60, 70, 108, 138, 229, 250, 999, 0x1008, 0x1400, 0x80A2, 0x8480]
)
def test_codes_that_nobody_knows(code: int) -> None:
    assert event_type(code, "SMR") == "UNKNOWN_EVENT_HEADEND"


def test_every_log_is_in_some_profile() -> None:
    having = {
        category: [item.key for item in catalogue.profiles() if log_tag(category) in item]
        for category in EventLogCategory
    }
    every, smr5 = 7, ["SMR-5.0.0", "SMR-5.1", "SMR-5.2", "SMR-5.5"]
    assert len(having[EventLogCategory.STANDARD_EVENT_LOG]) == every
    assert len(having[EventLogCategory.FRAUD_DETECTION_LOG]) == every
    assert len(having[EventLogCategory.M_BUS_EVENT_LOG]) == every
    assert having[EventLogCategory.COMMUNICATION_SESSION_LOG] == ["DSMR-4.2.2", "SMR-4.3", *smr5]
    assert having[EventLogCategory.POWER_QUALITY_EVENT_LOG] == smr5
    assert having[EventLogCategory.AUXILIARY_EVENT_LOG] == smr5[1:]
    assert having[EventLogCategory.POWER_QUALITY_EXTENDED_EVENT_LOG] == smr5[2:]
    assert having[EventLogCategory.POWER_QUALITY_THD_EVENT_LOG] == smr5[2:]


def test_bits_of_an_mbus_status() -> None:
    assert status_bits(0) == []
    assert status_bits(0x80010005) == [
        "BIT_0_BATTERY_LOW",
        "BIT_2_REVERSE_FLOW",
        "BIT_16_P0_ENABLED",
        "BIT_31_MANUFACTURER_SPECIFIC",
    ]
    assert len(status_bits(0xFFFFFFFF)) == 32
    for value in (-1, 1 << 32):
        with pytest.raises(ValueError, match="32 bits"):
            status_bits(value)
