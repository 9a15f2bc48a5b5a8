"""Alarm registers and filters: 32 bits each, which mean the same in register, filter and pushed alarm."""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

REGISTER_BITS = 32


class AlarmType(StrEnum):
    """All alarms, by register and bit."""

    CLOCK_INVALID = "CLOCK_INVALID"
    REPLACE_BATTERY = "REPLACE_BATTERY"
    POWER_UP = "POWER_UP"
    AUXILIARY_EVENT = "AUXILIARY_EVENT"
    CONFIGURATION_CHANGED = "CONFIGURATION_CHANGED"
    PROGRAM_MEMORY_ERROR = "PROGRAM_MEMORY_ERROR"
    RAM_ERROR = "RAM_ERROR"
    NV_MEMORY_ERROR = "NV_MEMORY_ERROR"
    MEASUREMENT_SYSTEM_ERROR = "MEASUREMENT_SYSTEM_ERROR"
    WATCHDOG_ERROR = "WATCHDOG_ERROR"
    FRAUD_ATTEMPT = "FRAUD_ATTEMPT"
    COMMUNICATION_ERROR_M_BUS_CHANNEL_1 = "COMMUNICATION_ERROR_M_BUS_CHANNEL_1"
    COMMUNICATION_ERROR_M_BUS_CHANNEL_2 = "COMMUNICATION_ERROR_M_BUS_CHANNEL_2"
    COMMUNICATION_ERROR_M_BUS_CHANNEL_3 = "COMMUNICATION_ERROR_M_BUS_CHANNEL_3"
    COMMUNICATION_ERROR_M_BUS_CHANNEL_4 = "COMMUNICATION_ERROR_M_BUS_CHANNEL_4"
    FRAUD_ATTEMPT_M_BUS_CHANNEL_1 = "FRAUD_ATTEMPT_M_BUS_CHANNEL_1"
    FRAUD_ATTEMPT_M_BUS_CHANNEL_2 = "FRAUD_ATTEMPT_M_BUS_CHANNEL_2"
    FRAUD_ATTEMPT_M_BUS_CHANNEL_3 = "FRAUD_ATTEMPT_M_BUS_CHANNEL_3"
    FRAUD_ATTEMPT_M_BUS_CHANNEL_4 = "FRAUD_ATTEMPT_M_BUS_CHANNEL_4"
    NEW_M_BUS_DEVICE_DISCOVERED_CHANNEL_1 = "NEW_M_BUS_DEVICE_DISCOVERED_CHANNEL_1"
    NEW_M_BUS_DEVICE_DISCOVERED_CHANNEL_2 = "NEW_M_BUS_DEVICE_DISCOVERED_CHANNEL_2"
    NEW_M_BUS_DEVICE_DISCOVERED_CHANNEL_3 = "NEW_M_BUS_DEVICE_DISCOVERED_CHANNEL_3"
    NEW_M_BUS_DEVICE_DISCOVERED_CHANNEL_4 = "NEW_M_BUS_DEVICE_DISCOVERED_CHANNEL_4"
    PHASE_OUTAGE_DETECTED_L1 = "PHASE_OUTAGE_DETECTED_L1"
    PHASE_OUTAGE_DETECTED_L2 = "PHASE_OUTAGE_DETECTED_L2"
    PHASE_OUTAGE_DETECTED_L3 = "PHASE_OUTAGE_DETECTED_L3"
    PHASE_OUTAGE_TEST_INDICATION = "PHASE_OUTAGE_TEST_INDICATION"
    VOLTAGE_SAG_IN_PHASE_DETECTED_L1 = "VOLTAGE_SAG_IN_PHASE_DETECTED_L1"
    VOLTAGE_SAG_IN_PHASE_DETECTED_L2 = "VOLTAGE_SAG_IN_PHASE_DETECTED_L2"
    VOLTAGE_SAG_IN_PHASE_DETECTED_L3 = "VOLTAGE_SAG_IN_PHASE_DETECTED_L3"
    VOLTAGE_SWELL_IN_PHASE_DETECTED_L1 = "VOLTAGE_SWELL_IN_PHASE_DETECTED_L1"
    VOLTAGE_SWELL_IN_PHASE_DETECTED_L2 = "VOLTAGE_SWELL_IN_PHASE_DETECTED_L2"
    VOLTAGE_SWELL_IN_PHASE_DETECTED_L3 = "VOLTAGE_SWELL_IN_PHASE_DETECTED_L3"
    THD_OVERLIMIT_IN_PHASE_L1 = "THD_OVERLIMIT_IN_PHASE_L1"
    THD_OVERLIMIT_IN_PHASE_L2 = "THD_OVERLIMIT_IN_PHASE_L2"
    THD_OVERLIMIT_IN_PHASE_L3 = "THD_OVERLIMIT_IN_PHASE_L3"
    THD_LONG_OVERLIMIT_IN_PHASE_L1 = "THD_LONG_OVERLIMIT_IN_PHASE_L1"
    THD_LONG_OVERLIMIT_IN_PHASE_L2 = "THD_LONG_OVERLIMIT_IN_PHASE_L2"
    THD_LONG_OVERLIMIT_IN_PHASE_L3 = "THD_LONG_OVERLIMIT_IN_PHASE_L3"
    LAST_GASP = "LAST_GASP"
    LAST_GASP_TEST = "LAST_GASP_TEST"


_TYPES = tuple(AlarmType)


def _from(first: AlarmType, **bits: range) -> dict[int, AlarmType]:
    """Types in their order, from ``first`` on, over ranges of bits."""
    every_bit = [bit for each in bits.values() for bit in each]
    start = _TYPES.index(first)
    return dict(zip(every_bit, _TYPES[start : start + len(every_bit)], strict=True))


ALARM_REGISTERS: Mapping[int, Mapping[int, AlarmType]] = {
    1: _from(AlarmType.CLOCK_INVALID, meter=range(5), errors=range(8, 14), mbus_and_phases=range(16, 32)),
    2: _from(AlarmType.VOLTAGE_SAG_IN_PHASE_DETECTED_L1, voltage=range(6), distortion=range(8, 14)),
    3: _from(AlarmType.LAST_GASP, last_gasp=range(2)),
}
"""Alarm type by register number and bit, bit 0 the least significant. Bits that are not here are unused."""


class UnknownAlarm(NamedTuple):
    """A bit that is set although nothing says what it means."""

    register: int
    bit: int


def alarms_in(register: int, value: int) -> tuple[list[AlarmType], list[UnknownAlarm]]:
    """What is set in the 32 bits of an alarm register (1, 2 or 3) or its filter, lowest bit first."""
    if not 0 <= value < 1 << REGISTER_BITS:
        raise ValueError(f"an alarm register has {REGISTER_BITS} bits: {value}")
    meaning = ALARM_REGISTERS[register]
    known: list[AlarmType] = []
    unknown: list[UnknownAlarm] = []
    for bit in range(value.bit_length()):
        if value >> bit & 1:
            if bit in meaning:
                known.append(meaning[bit])
            else:
                unknown.append(UnknownAlarm(register, bit))
    return known, unknown
