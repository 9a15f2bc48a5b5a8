"""What happens in meters, by name: in which log it is usually recorded, and what it sets.

Names are those of the profiles' event types, alarms and status flags; their codes and bits are the profile's
business.
"""

import re
from collections.abc import Iterator, Mapping

from osgp.catalogue.meanings import PHASES as PHASE_NAMES
from osgp.catalogue.obis import MBUS_CHANNELS

from . import row_flags

PHASES = tuple(range(1, len(PHASE_NAMES) + 1))

POWER_FAILURE, POWER_RETURNED, LAST_GASP = "POWER_FAILURE", "POWER_RETURNED", "LAST_GASP"
CLOCK_UPDATE, CLOCK_INVALID = "CLOCK_UPDATE", "CLOCK_INVALID"
OLD_TIME, NEW_TIME = "CLOCK_ADJUSTED_OLD_TIME", "CLOCK_ADJUSTED_NEW_TIME"
TARIFF_ACTIVATED, PASSIVE_TARIFF_UPDATED = "TARIFF_ACTIVATED", "PASSIVE_TARIFF_UPDATED"
FAILED_LOGIN, CONFIGURATION_CHANGE = "FAILED_LOGIN_ATTEMPT", "CONFIGURATION_CHANGE"
BREAKER_OPENED, BREAKER_CLOSED = "BREAKER_OPENED_REMOTELY", "BREAKER_CLOSED_REMOTELY"
LOG_CLEARED = "EVENTLOG_CLEARED"

FIRMWARE = tuple(
    f"MBUS_FW_UPGRADE_{outcome}_CHANNEL_{{channel}}"
    for outcome in (
        "SUCCESSFUL",
        "BLOCK_SIZE_NOT_SUPPORTED",
        "IMAGE_SIZE_TOO_BIG",
        "INVALID_BLOCK_NUMBER",
        "DATA_RECEIVE_ERROR",
        "IMAGE_NOT_COMPLETE_ERROR",
        "INVALID_SECURITY_ERROR",
        "INVALID_FIRMWARE_FOR_THIS_DEVICE",
    )
)
MBUS_KEYS = (
    "KEY_SENT_TO_MBUS_DEVICE_ON_CHANNEL_{channel}",
    "KEY_ACKNOWLEDGED_BY_MBUS_DEVICE_ON_CHANNEL_{channel}",
)
MBUS_STATUS = "MBUS_STATUS_{flag}_CHANNEL_{channel}"
"""What is recorded when a flag of an M-Bus device's status is set."""

_LOGS: Mapping[str, tuple[str, ...]] = {
    "STANDARD_EVENT_LOG": (
        POWER_FAILURE,
        POWER_RETURNED,
        CLOCK_UPDATE,
        OLD_TIME,
        NEW_TIME,
        CLOCK_INVALID,
        "REPLACE_BATTERY",
        "BATTERY_VOLTAGE_LOW",
        TARIFF_ACTIVATED,
        "ERROR_REGISTER_CLEARED",
        "ALARM_REGISTER_CLEARED",
        "HARDWARE_ERROR_PROGRAM_MEMORY",
        "HARDWARE_ERROR_RAM",
        "HARDWARE_ERROR_NV_MEMORY",
        "WATCHDOG_ERROR",
        "HARDWARE_ERROR_MEASUREMENT_SYSTEM",
        "FIRMWARE_READY_FOR_ACTIVATION",
        "FIRMWARE_ACTIVATED",
        PASSIVE_TARIFF_UPDATED,
        "SUCCESSFUL_SELFCHECK_AFTER_FIRMWARE_UPDATE",
        "COMMUNICATION_MODULE_REMOVED",
        "COMMUNICATION_MODULE_INSERTED",
        "ERROR_REGISTER_2_CLEARED",
        "ALARM_REGISTER_2_CLEARED",
        BREAKER_OPENED,
        BREAKER_CLOSED,
    ),
    "FRAUD_DETECTION_LOG": (
        "TERMINAL_COVER_REMOVED",
        "TERMINAL_COVER_CLOSED",
        "STRONG_DC_FIELD_DETECTED",
        "NO_STRONG_DC_FIELD_ANYMORE",
        "METER_COVER_REMOVED",
        "METER_COVER_CLOSED",
        FAILED_LOGIN,
        CONFIGURATION_CHANGE,
        "MODULE_COVER_OPENED",
        "MODULE_COVER_CLOSED",
    ),
    "M_BUS_EVENT_LOG": (
        "COMMUNICATION_ERROR_M_BUS_CHANNEL_{channel}",
        "COMMUNICATION_OK_M_BUS_CHANNEL_{channel}",
        "REPLACE_BATTERY_M_BUS_CHANNEL_{channel}",
        "FRAUD_ATTEMPT_M_BUS_CHANNEL_{channel}",
        "CLOCK_ADJUSTED_M_BUS_CHANNEL_{channel}",
        "NEW_M_BUS_DEVICE_DISCOVERED_CHANNEL_{channel}",
        "PERMANENT_ERROR_FROM_M_BUS_DEVICE_CHANNEL_{channel}",
        "DEAD_BATTERY_ERROR_M_BUS_DEVICE_CHANNEL_{channel}",
    ),
    "COMMUNICATION_SESSION_LOG": (
        "METROLOGICAL_MAINTENANCE",
        "TECHNICAL_MAINTENANCE",
        "RETRIEVE_METER_READINGS_E",
        "RETRIEVE_METER_READINGS_G",
        "RETRIEVE_INTERVAL_DATA_E",
        "RETRIEVE_INTERVAL_DATA_G",
    ),
    "POWER_QUALITY_EVENT_LOG": (
        "UNDER_VOLTAGE_{phase}",
        "OVER_VOLTAGE_{phase}",
        "VOLTAGE_{phase}_NORMAL",
        "PV_VOLTAGE_SAG_{phase}",
        "PV_VOLTAGE_SWELL_{phase}",
        "PHASE_OUTAGE_{phase}",
        "PHASE_RETURNED_{phase}",
        "PHASE_OUTAGE_TEST",
        LAST_GASP,
        "LAST_GASP_TEST",
    ),
    "AUXILIARY_EVENT_LOG": (*FIRMWARE, *MBUS_KEYS),
    "POWER_QUALITY_EXTENDED_EVENT_LOG": (
        "VOLTAGE_SAG_IN_PHASE_{phase}",
        "VOLTAGE_SWELL_IN_PHASE_{phase}",
    ),
    "POWER_QUALITY_THD_EVENT_LOG": (
        "THD_OVER_LIMIT_{phase}",
        "THD_NORMAL_{phase}",
        "THD_LONG_OVER_LIMIT_{phase}",
    ),
}
"""The names that belong to each category of logs."""

_ALARMS: Mapping[str, str] = {
    CLOCK_INVALID: "CLOCK_INVALID",
    "REPLACE_BATTERY": "REPLACE_BATTERY",
    POWER_RETURNED: "POWER_UP",
    CONFIGURATION_CHANGE: "CONFIGURATION_CHANGED",
    "HARDWARE_ERROR_PROGRAM_MEMORY": "PROGRAM_MEMORY_ERROR",
    "HARDWARE_ERROR_RAM": "RAM_ERROR",
    "HARDWARE_ERROR_NV_MEMORY": "NV_MEMORY_ERROR",
    "HARDWARE_ERROR_MEASUREMENT_SYSTEM": "MEASUREMENT_SYSTEM_ERROR",
    "WATCHDOG_ERROR": "WATCHDOG_ERROR",
    "TERMINAL_COVER_REMOVED": "FRAUD_ATTEMPT",
    "STRONG_DC_FIELD_DETECTED": "FRAUD_ATTEMPT",
    "METER_COVER_REMOVED": "FRAUD_ATTEMPT",
    "MODULE_COVER_OPENED": "FRAUD_ATTEMPT",
    "PHASE_OUTAGE_TEST": "PHASE_OUTAGE_TEST_INDICATION",
    "PHASE_OUTAGE_{phase}": "PHASE_OUTAGE_DETECTED_{phase}",
    "VOLTAGE_SAG_IN_PHASE_{phase}": "VOLTAGE_SAG_IN_PHASE_DETECTED_{phase}",
    "VOLTAGE_SWELL_IN_PHASE_{phase}": "VOLTAGE_SWELL_IN_PHASE_DETECTED_{phase}",
    "THD_OVER_LIMIT_{phase}": "THD_OVERLIMIT_IN_PHASE_{phase}",
    "THD_LONG_OVER_LIMIT_{phase}": "THD_LONG_OVERLIMIT_IN_PHASE_{phase}",
    LAST_GASP: "LAST_GASP",
    "LAST_GASP_TEST": "LAST_GASP_TEST",
    "COMMUNICATION_ERROR_M_BUS_CHANNEL_{channel}": "COMMUNICATION_ERROR_M_BUS_CHANNEL_{channel}",
    "FRAUD_ATTEMPT_M_BUS_CHANNEL_{channel}": "FRAUD_ATTEMPT_M_BUS_CHANNEL_{channel}",
    "NEW_M_BUS_DEVICE_DISCOVERED_CHANNEL_{channel}": "NEW_M_BUS_DEVICE_DISCOVERED_CHANNEL_{channel}",
}
"""The alarm that each event raises. Others raise the alarm of their own name, if there is one."""

_ALARM_OF_MBUS_STATUS = "AUXILIARY_EVENT"

_ROW_FLAGS: Mapping[str, int] = {
    CLOCK_INVALID: row_flags.CLOCK_INVALID,
    "HARDWARE_ERROR_PROGRAM_MEMORY": row_flags.CRITICAL_ERROR,
    "HARDWARE_ERROR_RAM": row_flags.CRITICAL_ERROR,
    "HARDWARE_ERROR_NV_MEMORY": row_flags.CRITICAL_ERROR,
    "WATCHDOG_ERROR": row_flags.CRITICAL_ERROR,
    "HARDWARE_ERROR_MEASUREMENT_SYSTEM": row_flags.CRITICAL_ERROR | row_flags.DATA_NOT_VALID,
    "COMMUNICATION_ERROR_M_BUS_CHANNEL_{channel}": row_flags.DATA_NOT_VALID,
}
"""What each event marks the next row of a buffer with; one on an M-Bus channel, rows of that channel."""

_CHANNEL = re.compile(r".*CHANNEL_([1-4])")
_MBUS_STATUS = re.compile(r"MBUS_STATUS_(.+)_CHANNEL_[1-4]")


def _list_places(name: str) -> Iterator[tuple[str, str]]:
    """What stands for a phase or a channel in a name, and what it stands for."""
    if "{phase}" in name:
        yield from (("{phase}", phase) for phase in PHASE_NAMES)
    elif "{channel}" in name:
        yield from (("{channel}", str(channel)) for channel in MBUS_CHANNELS)
    else:
        yield "", ""


_CATEGORY_OF = {
    name.replace(*filled): category
    for category, names in _LOGS.items()
    for name in names
    for filled in _list_places(name)
}
_ALARM_OF = {
    name.replace(*filled): alarm.replace(*filled)
    for name, alarm in _ALARMS.items()
    for filled in _list_places(name)
}
_ROW_FLAGS_OF = {
    name.replace(*filled): flags for name, flags in _ROW_FLAGS.items() for filled in _list_places(name)
}

CATEGORIES = frozenset(_LOGS)
"""The categories of logs whose contents are known."""


def find_category(name: str) -> str | None:
    """The category of log in which an event is recorded; None: not known, or any."""
    if _MBUS_STATUS.fullmatch(name):
        return "AUXILIARY_EVENT_LOG"
    return _CATEGORY_OF.get(name)


def find_alarm_name(name: str) -> str | None:
    """The alarm that is known to come with an event."""
    return _ALARM_OF_MBUS_STATUS if _MBUS_STATUS.fullmatch(name) else _ALARM_OF.get(name)


def find_row_flags(name: str) -> int:
    """What an event marks the next row of a buffer with."""
    return _ROW_FLAGS_OF.get(name, 0)


def find_channel(name: str) -> int | None:
    """The M-Bus channel that an event is about."""
    found = _CHANNEL.fullmatch(name)
    return int(found[1]) if found else None


def new_device(channel: int) -> str:
    """The event of a new device on an M-Bus channel."""
    return f"NEW_M_BUS_DEVICE_DISCOVERED_CHANNEL_{channel}"


def mbus_flag_of(name: str) -> str | None:
    """The flag of an M-Bus device's status for which an event stands."""
    found = _MBUS_STATUS.fullmatch(name)
    return found[1] if found else None


def is_clearing(name: str) -> bool:
    """Whether the event is that of a cleared log."""
    return name.endswith(LOG_CLEARED)


def register_cleared(tag: str, number: int) -> tuple[str, ...]:
    """What the event of a cleared alarm register may be called."""
    return (f"{tag}_CLEARED", "ALARM_REGISTER_CLEARED") if number == 1 else (f"{tag}_CLEARED",)


def clearing_of(category: str) -> tuple[str, ...]:
    """What the event of a cleared log may be called, in the log itself."""
    return category.removesuffix("EVENT_LOG") + LOG_CLEARED, LOG_CLEARED
