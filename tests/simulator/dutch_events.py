"""What the Dutch standards say of events, written down apart from the profiles: logs, codes, alarms."""

from collections.abc import Mapping

CHANNELS = (1, 2, 3, 4)

CODES: Mapping[str, tuple[int, ...]] = {
    "STANDARD_EVENT_LOG": (*range(1, 25), 255),
    "FRAUD_DETECTION_EVENT_LOG": (*range(40, 50), 255),
    "MBUS_EVENT_LOG": (
        *(code for channel in CHANNELS for code in range(90 + 10 * channel, 98 + 10 * channel)),
        255,
    ),
    "COMMUNICATION_SESSION_EVENT_LOG": (*range(71, 77), 255),
    "POWER_QUALITY_EVENT_LOG": (25, *range(77, 93), 99, 255),
    "AUXILIARY_EVENT_LOG": (
        *(
            code + 0x100 * (channel - 1)
            for channel in CHANNELS
            for code in (*range(0x1000, 0x1008), *range(0x8080, 0x80A2))
        ),
        0xFFFF,
    ),
    "POWER_QUALITY_EXTENDED_EVENT_LOG": tuple(range(93, 99)),
    "POWER_QUALITY_THD_EVENT_LOG": tuple(range(51, 60)),
}
"""The codes of each log, by its tag, but for those that manufacturers define."""

LOG_OF: Mapping[int, str] = {code: log for log, codes in CODES.items() for code in codes if code != 255}
"""The log of each code but that of a cleared log."""


def _alarms() -> dict[int, tuple[int, int]]:
    alarms = {
        6: (1, 0),  # clock invalid
        7: (1, 1),  # replace battery
        2: (1, 2),  # power returned
        47: (1, 4),  # configuration changed
        12: (1, 8),  # program memory
        13: (1, 9),  # RAM
        14: (1, 10),  # NV memory
        16: (1, 11),  # measurement system
        15: (1, 12),  # watchdog
        **dict.fromkeys((40, 42, 44, 48), (1, 13)),  # covers opened, strong DC field
        89: (1, 31),  # phase outage test
        99: (3, 0),  # last gasp
        25: (3, 1),  # last gasp test
    }
    for place, channel in enumerate(CHANNELS):
        alarms[90 + 10 * channel] = (1, 16 + place)  # communication error
        alarms[93 + 10 * channel] = (1, 20 + place)  # fraud attempt
        alarms[95 + 10 * channel] = (1, 24 + place)  # new device
        alarms |= {code + 0x100 * place: (1, 3) for code in range(0x8080, 0x80A0)}
    for place in range(3):
        alarms[86 + place] = (1, 28 + place)  # phase outage
        alarms[93 + place] = (2, place)  # voltage sag
        alarms[96 + place] = (2, 3 + place)  # voltage swell
        alarms[51 + place] = (2, 8 + place)  # harmonic distortion over its limit
        alarms[57 + place] = (2, 11 + place)  # and for long
    return alarms


ALARMS: Mapping[int, tuple[int, int]] = _alarms()
"""The alarm register and the bit that an event with a code sets."""

ALARM_BITS: Mapping[int, frozenset[int]] = {
    1: frozenset((*range(5), *range(8, 14), *range(16, 32))),
    2: frozenset((*range(6), *range(8, 14))),
    3: frozenset((0, 1)),
}
"""The bits of each alarm register that mean something."""
