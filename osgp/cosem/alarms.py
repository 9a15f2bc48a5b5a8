"""Alarm registers and filters: a bit means the same in the register, in its filter and in pushed alarms."""

import re
from functools import cache
from typing import NamedTuple

from osgp import catalogue
from osgp.catalogue import Flags, Profile

REGISTER_BITS = 32

_TAG = re.compile(r"ALARM_REGISTER_([0-9]+)", re.ASCII)


class UnknownAlarm(NamedTuple):
    """A bit that is set and has no name in the profile."""

    register: int
    bit: int


def make_register_tag(number: int) -> str:
    """Return the tag of an alarm register; ``number`` counts from 1."""
    return f"ALARM_REGISTER_{number}"


@cache
def list_register_numbers() -> tuple[int, ...]:
    """Return the numbers of the alarm registers of all profiles, ascending."""
    tags = (_TAG.fullmatch(item.tag) for profile in catalogue.list_profiles() for item in profile)
    return tuple(sorted({int(match.group(1)) for match in tags if match}))


def list_alarm_types() -> tuple[str, ...]:
    """Return the names of the alarms of all profiles, ordered by register and bit."""
    return catalogue.list_flag_names(*map(make_register_tag, list_register_numbers()))


def find_alarms(profile: Profile, register: int, value: int) -> tuple[list[str], list[UnknownAlarm]]:
    """Return the alarms that ``value`` of an alarm register or filter sets, lowest bit first.

    Raises ValueError if ``value`` has more bits than the register.
    """
    flags = profile[make_register_tag(register)].flags
    if flags is None:
        bits = [bit for bit in range(value.bit_length()) if value >> bit & 1]
        return [], [UnknownAlarm(register, bit) for bit in bits]
    found = flags.decode(value)
    return list(found.names), [UnknownAlarm(register, bit) for bit in found.unknown]


def find_pushed_alarms(
    register: int, value: int, profile: Profile | None = None
) -> tuple[list[str], list[UnknownAlarm]]:
    """Return the alarms that a pushed alarm register sets, lowest bit first.

    Meters push registers that are not in their profile, such as LAST_GASP of meters of DSMR 2.2. The bits of
    those, and all if the profile is not known, have the names that they have in other profiles. Raises
    ValueError if ``value`` has more bits than the register.
    """
    if not 0 <= value < 1 << REGISTER_BITS:
        raise ValueError(f"{value} is not a value of {REGISTER_BITS} bits")
    tag = make_register_tag(register)
    if profile is not None and tag in profile:
        return find_alarms(profile, register, value)
    names = _merge_names(tag)
    found = Flags(REGISTER_BITS, names).decode(value)
    return list(found.names), [UnknownAlarm(register, bit) for bit in found.unknown]


@cache
def _merge_names(tag: str) -> dict[int, str]:
    """Return the names of a register's bits in all profiles; the newest profile decides."""
    names: dict[int, str] = {}
    for profile in catalogue.list_profiles():
        if tag in profile and (flags := profile[tag].flags):
            names |= flags.names
    return names
