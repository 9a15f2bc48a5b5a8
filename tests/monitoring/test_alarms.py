"""ReadAlarmRegister and ClearAlarmRegister."""

from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osgp import catalogue
from osgp.catalogue.cosem import AttributeDescriptor
from osgp.cosem.alarms import UnknownAlarm, find_alarms, list_alarm_types, list_register_numbers
from osgp.faults import Fault, FaultCode
from osgp.monitoring.clear_alarm_register import ClearAlarmRegister
from osgp.monitoring.read_alarm_register import ReadAlarmRegister
from osgp.protocol_dlms import AccessResult, Data
from osgp.protocol_dlms.errors import AccessError
from osgp.simulator.codec.axdr import double_long_unsigned, octet_string
from tests.catalogue.generations import ALL
from tests.monitoring.fleet import MonitoredFleet

PROFILE = catalogue.find_profile("SMR", "5.5")
NOTHING_ELSE: dict[str, list[object]] = {"unknown_alarms": [], "unavailable": []}
REGISTERS = {
    "DSMR-2.2": 1,
    "DSMR-4.2.2": 1,
    "SMR-4.3": 1,
    "SMR-5.0.0": 1,
    "SMR-5.1": 1,
    "SMR-5.2": 2,
    "SMR-5.2c": 2,
    "SMR-5.5": 3,
}


def raise_alarms(fleet: MonitoredFleet, profile: str, **registers: int) -> None:
    for name, value in registers.items():
        fleet.put(fleet.meter(profile), name, double_long_unsigned(value))


@pytest.mark.parametrize("profile", ALL)
def test_every_register_of_a_dutch_profile_is_read(fleet: MonitoredFleet, profile: str) -> None:
    count = REGISTERS[profile]
    values = {1: 0x91040203, 2: 1 << 8, 3: 0b11}
    registers = {f"ALARM_REGISTER_{number}": values[number] for number in range(1, count + 1)}
    raise_alarms(fleet, profile, **registers)
    first = [
        "CLOCK_INVALID",
        "REPLACE_BATTERY",
        "RAM_ERROR",
        "COMMUNICATION_ERROR_M_BUS_CHANNEL_3",
        "NEW_M_BUS_DEVICE_DISCOVERED_CHANNEL_1",
        "PHASE_OUTAGE_DETECTED_L1",
        "PHASE_OUTAGE_TEST_INDICATION",
    ]
    second = ["THD_OVERLIMIT_IN_PHASE_L1"] if count > 1 else []
    third = ["LAST_GASP", "LAST_GASP_TEST"] if count > 2 else []
    expected = first + second + third
    assert fleet.perform("ReadAlarmRegister", profile) == {"alarm_types": expected, **NOTHING_ELSE}


def test_no_alarms(fleet: MonitoredFleet) -> None:
    raise_alarms(fleet, "SMR-5.5", ALARM_REGISTER_1=0, ALARM_REGISTER_2=0, ALARM_REGISTER_3=0)
    assert fleet.perform("ReadAlarmRegister", "SMR-5.5") == {"alarm_types": [], **NOTHING_ELSE}


def test_all_registers_come_in_one_round_trip(fleet: MonitoredFleet) -> None:
    with fleet.visit("SMR-5.5") as meter:
        before = meter.association.statistics.round_trips
        ReadAlarmRegister().perform(meter, {})
        assert meter.association.statistics.round_trips - before == 1


def test_bits_that_mean_nothing_are_told(fleet: MonitoredFleet) -> None:
    raise_alarms(fleet, "SMR-5.2", ALARM_REGISTER_1=1 << 5 | 1 << 13, ALARM_REGISTER_2=1 << 31)
    assert fleet.perform("ReadAlarmRegister", "SMR-5.2") == {
        "alarm_types": ["FRAUD_ATTEMPT"],
        "unknown_alarms": [{"register": 1, "bit": 5}, {"register": 2, "bit": 31}],
        "unavailable": [],
    }


@pytest.mark.parametrize(
    "encoded", [octet_string(b"\x00\x00\x00\x01"), b"\x00", b"\x05\xff\xff\xff\xff", b"\x15" + b"\xff" * 8]
)
@pytest.mark.parametrize("message", ["ReadAlarmRegister", "ClearAlarmRegister"])
def test_what_is_no_register_of_alarms_is_a_fault(
    fleet: MonitoredFleet, message: str, encoded: bytes
) -> None:
    fleet.put(fleet.meter("SMR-5.1"), "ALARM_REGISTER_1", encoded)
    with pytest.raises(Fault, match="ALARM_REGISTER_1") as caught:
        fleet.perform(message, "SMR-5.1")
    assert caught.value.code == FaultCode.ILLEGAL_RESPONSE


@pytest.mark.parametrize("profile", ALL)
def test_clearing_tells_what_was_set_in_a_dutch_meter(fleet: MonitoredFleet, profile: str) -> None:
    registers = {f"ALARM_REGISTER_{number}": 2 for number in range(1, REGISTERS[profile] + 1)}
    raise_alarms(fleet, profile, **registers)
    expected = ["REPLACE_BATTERY", "VOLTAGE_SAG_IN_PHASE_DETECTED_L2", "LAST_GASP_TEST"][: REGISTERS[profile]]
    cleared = fleet.perform("ClearAlarmRegister", profile)
    assert cleared == {"alarm_types": expected, **NOTHING_ELSE}
    nothing = {"alarm_types": [], **NOTHING_ELSE}
    assert fleet.perform("ReadAlarmRegister", profile) == nothing
    assert fleet.perform("ClearAlarmRegister", profile) == nothing


def test_registers_without_alarms_are_left_alone(fleet: MonitoredFleet) -> None:
    raise_alarms(fleet, "SMR-5.5", ALARM_REGISTER_1=0, ALARM_REGISTER_2=1, ALARM_REGISTER_3=0)
    with fleet.visit("SMR-5.5") as meter:
        before = meter.association.statistics.round_trips
        ClearAlarmRegister().perform(meter, {})
        assert meter.association.statistics.round_trips - before == 2


@given(st.sampled_from(list_register_numbers()), st.integers(0, 2**32 - 1))
def test_every_set_bit_is_told_once(register: int, value: int) -> None:
    known, unknown = find_alarms(PROFILE, register, value)
    flags = PROFILE[f"ALARM_REGISTER_{register}"].flags
    assert flags is not None
    bits = {bit for bit, alarm in flags.names.items() if alarm in known}
    odd = {alarm.bit for alarm in unknown}
    assert sum(1 << bit for bit in bits | odd) == value
    assert not odd & set(flags.names)


def test_all_alarm_types_have_one_bit() -> None:
    placed = [alarm for register in (1, 2, 3) for alarm in find_alarms(PROFILE, register, 2**32 - 1)[0]]
    assert placed == list(list_alarm_types())
    assert len(placed) == len(set(placed)) == 41
    assert list_register_numbers() == (1, 2, 3)
    assert find_alarms(PROFILE, 1, 1 << 14) == ([], [UnknownAlarm(1, 14)])
    with pytest.raises(ValueError):
        find_alarms(PROFILE, 1, 1 << 32)


def test_it_ends_with_the_first_register_that_is_not_cleared(fleet: MonitoredFleet) -> None:
    raise_alarms(fleet, "SMR-5.5", ALARM_REGISTER_1=1, ALARM_REGISTER_2=1, ALARM_REGISTER_3=1)
    with fleet.visit("SMR-5.5") as meter:
        asked: list[AttributeDescriptor] = []
        refused = meter.find_attribute("ALARM_REGISTER_2", "value")

        def refuse(attribute: AttributeDescriptor, data: Data) -> None:
            asked.append(attribute)
            if attribute == refused:
                raise AccessError(AccessResult.READ_WRITE_DENIED, attribute)

        with patch.object(meter.association, "set", refuse), pytest.raises(AccessError, match=r"97\.98\.1"):
            ClearAlarmRegister().perform(meter, {})
    assert [attribute.logical_name[4] for attribute in asked] == [0, 1]


@pytest.mark.parametrize(
    ("register", "bit", "alarm"),
    [
        (1, 0, "CLOCK_INVALID"),
        (1, 4, "CONFIGURATION_CHANGED"),
        (1, 8, "PROGRAM_MEMORY_ERROR"),
        (1, 13, "FRAUD_ATTEMPT"),
        (1, 16, "COMMUNICATION_ERROR_M_BUS_CHANNEL_1"),
        (1, 23, "FRAUD_ATTEMPT_M_BUS_CHANNEL_4"),
        (1, 27, "NEW_M_BUS_DEVICE_DISCOVERED_CHANNEL_4"),
        (1, 31, "PHASE_OUTAGE_TEST_INDICATION"),
        (2, 5, "VOLTAGE_SWELL_IN_PHASE_DETECTED_L3"),
        (2, 8, "THD_OVERLIMIT_IN_PHASE_L1"),
        (2, 13, "THD_LONG_OVERLIMIT_IN_PHASE_L3"),
        (3, 1, "LAST_GASP_TEST"),
    ],
)
def test_bits_mean_the_same_in_register_and_filter(register: int, bit: int, alarm: str) -> None:
    assert find_alarms(PROFILE, register, 1 << bit) == ([alarm], [])
    assert PROFILE[f"ALARM_FILTER_{register}"].flags is PROFILE[f"ALARM_REGISTER_{register}"].flags
