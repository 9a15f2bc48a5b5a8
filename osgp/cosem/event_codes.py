"""Event logs and the codes in them: all that meters of the known profiles write, in one place.

A code means the same in every log. Six of them differ between the protocols DSMR and SMR.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum

from osgp.catalogue.obis import MBUS_CHANNELS
from osgp.cosem.mbus_status import MBUS_STATUS

PHASES = ("L1", "L2", "L3")
UNKNOWN_EVENT = "UNKNOWN_EVENT_HEADEND"
"""The type of a code that is in none of the tables."""


class EventLogCategory(StrEnum):
    """The event logs of meters."""

    STANDARD_EVENT_LOG = "STANDARD_EVENT_LOG"
    FRAUD_DETECTION_LOG = "FRAUD_DETECTION_LOG"
    COMMUNICATION_SESSION_LOG = "COMMUNICATION_SESSION_LOG"
    M_BUS_EVENT_LOG = "M_BUS_EVENT_LOG"
    POWER_QUALITY_EVENT_LOG = "POWER_QUALITY_EVENT_LOG"
    AUXILIARY_EVENT_LOG = "AUXILIARY_EVENT_LOG"
    POWER_QUALITY_EXTENDED_EVENT_LOG = "POWER_QUALITY_EXTENDED_EVENT_LOG"
    POWER_QUALITY_THD_EVENT_LOG = "POWER_QUALITY_THD_EVENT_LOG"


_TAGS = {
    EventLogCategory.FRAUD_DETECTION_LOG: "FRAUD_DETECTION_EVENT_LOG",
    EventLogCategory.COMMUNICATION_SESSION_LOG: "COMMUNICATION_SESSION_EVENT_LOG",
    EventLogCategory.M_BUS_EVENT_LOG: "MBUS_EVENT_LOG",
}


def log_tag(category: EventLogCategory) -> str:
    """The tag of a log's buffer in meter profiles."""
    return _TAGS.get(category, str(category))


_STANDARD = {
    1: "POWER_FAILURE",
    2: "POWER_RETURNED",
    3: "CLOCK_UPDATE",
    4: "CLOCK_ADJUSTED_OLD_TIME",
    5: "CLOCK_ADJUSTED_NEW_TIME",
    6: "CLOCK_INVALID",
    7: "REPLACE_BATTERY",
    8: "BATTERY_VOLTAGE_LOW",
    9: "TARIFF_ACTIVATED",
    10: "ERROR_REGISTER_CLEARED",
    11: "ALARM_REGISTER_CLEARED",
    12: "HARDWARE_ERROR_PROGRAM_MEMORY",
    13: "HARDWARE_ERROR_RAM",
    14: "HARDWARE_ERROR_NV_MEMORY",
    15: "WATCHDOG_ERROR",
    16: "HARDWARE_ERROR_MEASUREMENT_SYSTEM",
    17: "FIRMWARE_READY_FOR_ACTIVATION",
    18: "FIRMWARE_ACTIVATED",
    19: "PASSIVE_TARIFF_UPDATED",
    20: "SUCCESSFUL_SELFCHECK_AFTER_FIRMWARE_UPDATE",
    21: "COMMUNICATION_MODULE_REMOVED",
    22: "COMMUNICATION_MODULE_INSERTED",
    23: "ERROR_REGISTER_2_CLEARED",
    24: "ALARM_REGISTER_2_CLEARED",
    25: "LAST_GASP_TEST",
    255: "EVENTLOG_CLEARED",
}
_FRAUD_DETECTION = {
    40: "TERMINAL_COVER_REMOVED",
    41: "TERMINAL_COVER_CLOSED",
    42: "STRONG_DC_FIELD_DETECTED",
    43: "NO_STRONG_DC_FIELD_ANYMORE",
    44: "METER_COVER_REMOVED",
    45: "METER_COVER_CLOSED",
    46: "FAILED_LOGIN_ATTEMPT",
    47: "CONFIGURATION_CHANGE",
    48: "MODULE_COVER_OPENED",
    49: "MODULE_COVER_CLOSED",
}
_COMMUNICATION_SESSION = {
    71: "METROLOGICAL_MAINTENANCE",
    72: "TECHNICAL_MAINTENANCE",
    73: "RETRIEVE_METER_READINGS_E",
    74: "RETRIEVE_METER_READINGS_G",
    75: "RETRIEVE_INTERVAL_DATA_E",
    76: "RETRIEVE_INTERVAL_DATA_G",
}
_BY_PHASE = {
    51: "THD_OVER_LIMIT_{}",
    54: "THD_NORMAL_{}",
    57: "THD_LONG_OVER_LIMIT_{}",
    77: "UNDER_VOLTAGE_{}",
    86: "PHASE_OUTAGE_{}",
    90: "PHASE_RETURNED_{}",
    93: "VOLTAGE_SAG_IN_PHASE_{}",
    96: "VOLTAGE_SWELL_IN_PHASE_{}",
}
"""By the code of phase L1; those of the other two follow."""
_POWER_QUALITY = {89: "PHASE_OUTAGE_TEST", 99: "LAST_GASP"}
_BY_PROTOCOL = {
    "DSMR": {80: "PV_VOLTAGE_SAG_{}", 83: "PV_VOLTAGE_SWELL_{}"},
    "SMR": {80: "OVER_VOLTAGE_{}", 83: "VOLTAGE_{}_NORMAL"},
}
"""By the code of phase L1, too."""
_BY_CHANNEL = {
    100: "COMMUNICATION_ERROR_M_BUS_CHANNEL_{}",
    101: "COMMUNICATION_OK_M_BUS_CHANNEL_{}",
    102: "REPLACE_BATTERY_M_BUS_CHANNEL_{}",
    103: "FRAUD_ATTEMPT_M_BUS_CHANNEL_{}",
    104: "CLOCK_ADJUSTED_M_BUS_CHANNEL_{}",
    105: "NEW_M_BUS_DEVICE_DISCOVERED_CHANNEL_{}",
    106: "PERMANENT_ERROR_FROM_M_BUS_DEVICE_CHANNEL_{}",
    107: "DEAD_BATTERY_ERROR_M_BUS_DEVICE_CHANNEL_{}",
}
"""By the code of channel 1; each further channel is ten more."""
_MANUFACTURER_SPECIFIC = range(230, 250)
_AUXILIARY_BY_CHANNEL = {
    0x1000: "MBUS_FW_UPGRADE_SUCCESSFUL",
    0x1001: "MBUS_FW_UPGRADE_BLOCK_SIZE_NOT_SUPPORTED",
    0x1002: "MBUS_FW_UPGRADE_IMAGE_SIZE_TOO_BIG",
    0x1003: "MBUS_FW_UPGRADE_INVALID_BLOCK_NUMBER",
    0x1004: "MBUS_FW_UPGRADE_DATA_RECEIVE_ERROR",
    0x1005: "MBUS_FW_UPGRADE_IMAGE_NOT_COMPLETE_ERROR",
    0x1006: "MBUS_FW_UPGRADE_INVALID_SECURITY_ERROR",
    0x1007: "MBUS_FW_UPGRADE_INVALID_FIRMWARE_FOR_THIS_DEVICE",
    **{0x8080 + bit: f"MBUS_STATUS_BIT_{bit}_{name}" for bit, name in enumerate(MBUS_STATUS)},
    0x80A0: "KEY_SENT_TO_MBUS_DEVICE_ON",
    0x80A1: "KEY_ACKNOWLEDGED_BY_MBUS_DEVICE_ON",
}
"""By the code of channel 1; each further channel is 0x100 more, and named behind it."""
_AUXILIARY = {0xFFFF: "AUXILIARY_EVENTLOG_CLEARED"}


def _by_phase(names: Mapping[int, str]) -> Iterator[tuple[int, str]]:
    for first, name in names.items():
        yield from ((first + index, name.format(phase)) for index, phase in enumerate(PHASES))


def _by_channel(names: Mapping[int, str], step: int) -> Iterator[tuple[int, str]]:
    for first, name in names.items():
        for channel in MBUS_CHANNELS:
            yield first + (channel - 1) * step, name.format(channel)


EVENT_TYPES: Mapping[int, str] = {
    **_STANDARD,
    **_FRAUD_DETECTION,
    **_COMMUNICATION_SESSION,
    **dict(_by_phase(_BY_PHASE)),
    **_POWER_QUALITY,
    **dict(_by_channel(_BY_CHANNEL, 10)),
    **{code: f"MANUFACTURER_SPECIFIC_{code}" for code in _MANUFACTURER_SPECIFIC},
    **dict(
        _by_channel({code: f"{name}_CHANNEL_{{}}" for code, name in _AUXILIARY_BY_CHANNEL.items()}, 0x100)
    ),
    **_AUXILIARY,
}
"""By code, whatever the protocol."""

PROTOCOL_EVENT_TYPES: Mapping[str, Mapping[int, str]] = {
    protocol: dict(_by_phase(names)) for protocol, names in _BY_PROTOCOL.items()
}
"""By protocol name and code; they go before those that any protocol has."""


def event_type(code: int, protocol_name: str) -> str:
    """What a code means in meters of a protocol; ``UNKNOWN_EVENT_HEADEND`` when nothing says so."""
    of_protocol = PROTOCOL_EVENT_TYPES.get(protocol_name.upper(), {})
    return of_protocol.get(code) or EVENT_TYPES.get(code) or UNKNOWN_EVENT
