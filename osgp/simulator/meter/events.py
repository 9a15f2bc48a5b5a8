"""Event logs: a plausible event now and then, the same ones whenever they are asked for."""

from typing import NamedTuple
from zlib import crc32

from ..codec.axdr import double_long_unsigned, long_unsigned, unsigned
from .load_curve import DAY, START

PERIOD = 9 * DAY
"""There is one event in every such period."""


class Event(NamedTuple):
    """An event at ``moment`` (true time); ``number`` counts the events of the log from 0."""

    moment: float
    code: int
    number: int


CODES: dict[str, tuple[int, ...]] = {
    "STANDARD_EVENT_LOG": (1, 2, 3, 4, 5, 9, 19),
    "FRAUD_DETECTION_EVENT_LOG": (40, 41, 46, 47, 48, 49),
    "MBUS_EVENT_LOG": (101, 104, 105),
    "COMMUNICATION_SESSION_EVENT_LOG": (71, 73, 74, 75, 76),
    "POWER_QUALITY_EVENT_LOG": (77, 83, 86, 90),
    "AUXILIARY_EVENT_LOG": (0x1000, 0x8080, 0x8083),
    "POWER_QUALITY_EXTENDED_EVENT_LOG": (93, 94, 95, 96, 97, 98),
    "POWER_QUALITY_THD_EVENT_LOG": (51, 54, 57),
}
"""Codes that meters use in each log."""


def events_of(log: str, identification: str, now: float, entries: int) -> list[Event]:
    """The last events of ``log`` before ``now``, at most ``entries``, oldest first."""
    codes = CODES[log]
    last = int(now - START) // PERIOD
    found = []
    for number in range(max(0, last - entries), last + 1):
        draw = crc32(f"{identification}:{log}:{number}".encode())
        moment = START + number * PERIOD + draw % PERIOD
        if moment <= now:
            found.append(Event(moment, codes[draw // 7 % len(codes)], number))
    return found[-entries:]


def encoded_code(log: str, event: Event) -> bytes:
    """The code as the log's code object has it: two octets in the auxiliary log, else one."""
    return long_unsigned(event.code) if log == "AUXILIARY_EVENT_LOG" else unsigned(event.code)


def encoded_detail(tag: str, event: Event) -> bytes:
    """The counter, magnitude or duration that goes with an event."""
    if tag.endswith("_COUNTER"):
        return long_unsigned(event.number & 0xFFFF)
    if tag.endswith("_MAGNITUDE"):
        return long_unsigned(12 + event.number % 40)
    if tag.endswith("_DURATION"):
        return long_unsigned(20 + event.number % 100)
    return double_long_unsigned(event.number)
