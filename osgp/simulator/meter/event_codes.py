"""The events that meters tell of: in which log each code stands, and which bit of an alarm register it sets.

Codes have one meaning across the logs but for that of a cleared log.
"""

from collections.abc import Mapping
from typing import NamedTuple

STANDARD = "STANDARD_EVENT_LOG"
FRAUD = "FRAUD_DETECTION_EVENT_LOG"
MBUS = "MBUS_EVENT_LOG"
SESSIONS = "COMMUNICATION_SESSION_EVENT_LOG"
POWER_QUALITY = "POWER_QUALITY_EVENT_LOG"
AUXILIARY = "AUXILIARY_EVENT_LOG"
EXTENDED = "POWER_QUALITY_EXTENDED_EVENT_LOG"
DISTORTION = "POWER_QUALITY_THD_EVENT_LOG"

CHANNELS = (1, 2, 3, 4)
PHASES = (1, 2, 3)
LOG_CLEARED = 255
AUXILIARY_LOG_CLEARED = 0xFFFF

POWER_FAILURE, POWER_RETURNED = 1, 2
CLOCK_UPDATE, OLD_TIME, NEW_TIME, CLOCK_INVALID = 3, 4, 5, 6
REGISTER_CLEARED: Mapping[int, int] = {1: 11, 2: 24}
"""The event of a cleared alarm register, by the number of the register."""
LAST_GASP_TEST, PHASE_OUTAGE_TEST, LAST_GASP = 25, 89, 99
FAILED_LOGIN, CONFIGURATION_CHANGE = 46, 47
PASSIVE_TARIFF_UPDATED, TARIFF_ACTIVATED = 19, 9

TESTS: Mapping[str, int] = {"PHASE_OUTAGE_TEST": PHASE_OUTAGE_TEST, "LAST_GASP_TEST": LAST_GASP_TEST}
"""The event that each test leaves, by the tag of its schedule."""

FIRMWARE = tuple(range(0x1000, 0x1008))
"""Auxiliary events about M-Bus firmware, on channel 1; each further channel adds 0x100."""
MBUS_STATUS = tuple(range(0x8080, 0x80A0))
"""Auxiliary events for the bits 0 to 31 of the M-Bus status, on channel 1."""
MBUS_KEYS = (0x80A0, 0x80A1)

CODES: Mapping[str, tuple[int, ...]] = {
    STANDARD: (*range(1, 25), LOG_CLEARED),
    FRAUD: (*range(40, 50), LOG_CLEARED),
    MBUS: (*(code for channel in CHANNELS for code in range(90 + 10 * channel, 98 + 10 * channel)), 255),
    SESSIONS: (*range(71, 77), LOG_CLEARED),
    POWER_QUALITY: (LAST_GASP_TEST, *range(77, 93), LAST_GASP, LOG_CLEARED),
    AUXILIARY: (
        *(
            code + 0x100 * (channel - 1)
            for channel in CHANNELS
            for code in (*FIRMWARE, *MBUS_STATUS, *MBUS_KEYS)
        ),
        AUXILIARY_LOG_CLEARED,
    ),
    EXTENDED: tuple(range(93, 99)),
    DISTORTION: tuple(range(51, 60)),
}
"""The codes of each log."""

LOG_OF: Mapping[int, str] = {
    code: log for log, codes in CODES.items() for code in codes if code != LOG_CLEARED
}
"""The log of each code but :data:`LOG_CLEARED`."""


ALARM_REGISTERS: Mapping[str, int] = {f"ALARM_REGISTER_{number}": number for number in (1, 2, 3)}
"""The number of each alarm register by its tag."""


class Alarm(NamedTuple):
    """A bit (0 is the least significant) of an alarm register (1 to 3)."""

    register: int
    bit: int


def _alarms() -> dict[int, Alarm]:
    alarms = {
        CLOCK_INVALID: Alarm(1, 0),
        7: Alarm(1, 1),  # replace battery
        POWER_RETURNED: Alarm(1, 2),
        CONFIGURATION_CHANGE: Alarm(1, 4),
        12: Alarm(1, 8),  # program memory
        13: Alarm(1, 9),  # RAM
        14: Alarm(1, 10),  # NV memory
        16: Alarm(1, 11),  # measurement system
        15: Alarm(1, 12),  # watchdog
        **dict.fromkeys((40, 42, 44, 48), Alarm(1, 13)),  # covers opened, strong DC field
        PHASE_OUTAGE_TEST: Alarm(1, 31),
        LAST_GASP: Alarm(3, 0),
        LAST_GASP_TEST: Alarm(3, 1),
    }
    for place, channel in enumerate(CHANNELS):
        alarms[90 + 10 * channel] = Alarm(1, 16 + place)  # communication error
        alarms[93 + 10 * channel] = Alarm(1, 20 + place)  # fraud attempt
        alarms[95 + 10 * channel] = Alarm(1, 24 + place)  # new device
        alarms |= {code + 0x100 * place: Alarm(1, 3) for code in MBUS_STATUS}
    for place in range(len(PHASES)):
        alarms[86 + place] = Alarm(1, 28 + place)  # phase outage
        alarms[93 + place] = Alarm(2, place)  # voltage sag
        alarms[96 + place] = Alarm(2, 3 + place)  # voltage swell
        alarms[51 + place] = Alarm(2, 8 + place)  # harmonic distortion over its limit
        alarms[57 + place] = Alarm(2, 11 + place)  # and for long
    return alarms


ALARMS: Mapping[int, Alarm] = _alarms()
"""The alarm that an event with a code sets."""

ALARM_BITS: Mapping[int, frozenset[int]] = {
    1: frozenset((*range(5), *range(8, 14), *range(16, 32))),
    2: frozenset((*range(6), *range(8, 14))),
    3: frozenset((0, 1)),
}
"""The bits of each alarm register that mean something."""


class Event(NamedTuple):
    """An event at ``moment`` (true time, UNIX).

    ``number`` counts the events of a kind from 0. ``magnitude`` and ``duration`` are raw numbers, for the
    logs that have them. ``offset``, unless None, is how far the clock was ahead when it wrote the stamp.
    """

    moment: float
    log: str
    code: int
    number: int = 0
    magnitude: int = 0
    duration: int = 0
    offset: float | None = None


def new_device(channel: int) -> int:
    """The code of a new device on an M-Bus channel."""
    return 95 + 10 * channel


def channel_of(event: Event) -> int | None:
    """The M-Bus channel that an event is about."""
    if event.log == MBUS and event.code != LOG_CLEARED:
        return (event.code - 90) // 10
    if event.log == AUXILIARY and event.code != AUXILIARY_LOG_CLEARED:
        return (event.code >> 8 & 0x0F) + 1
    return None


def mbus_status_bit(code: int, channel: int) -> int | None:
    """The bit of the M-Bus status of ``channel`` for which an auxiliary event stands, if for any."""
    bit = code - 0x100 * (channel - 1) - MBUS_STATUS[0]
    return bit if 0 <= bit < len(MBUS_STATUS) else None
