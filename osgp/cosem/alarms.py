"""Alarm registers and filters: the bits of a register mean the same in its filter and in pushed alarms."""

import re
from functools import cache
from typing import NamedTuple

from osgp import catalogue
from osgp.catalogue import Profile

REGISTER_BITS = 32

_TAG = re.compile(r"ALARM_REGISTER_([0-9]+)", re.ASCII)


class UnknownAlarm(NamedTuple):
    """A bit that is set although nothing says what it means."""

    register: int
    bit: int


def make_register_tag(number: int) -> str:
    """The tag of an alarm register, which are numbered from 1 on."""
    return f"ALARM_REGISTER_{number}"


@cache
def list_register_numbers() -> tuple[int, ...]:
    """The alarm registers that meters of any profile have, ascending."""
    tags = (_TAG.fullmatch(item.tag) for profile in catalogue.list_profiles() for item in profile)
    return tuple(sorted({int(match.group(1)) for match in tags if match}))


def list_alarm_types() -> tuple[str, ...]:
    """All alarms that meters of any profile know, by register and bit."""
    return catalogue.list_flag_names(*map(make_register_tag, list_register_numbers()))


def find_alarms(profile: Profile, register: int, value: int) -> tuple[list[str], list[UnknownAlarm]]:
    """What is set in one of the profile's alarm registers or in its filter, lowest bit first.

    ValueError for a value of more bits than the register has.
    """
    flags = profile[make_register_tag(register)].flags
    if flags is None:
        bits = [bit for bit in range(value.bit_length()) if value >> bit & 1]
        return [], [UnknownAlarm(register, bit) for bit in bits]
    found = flags.decode(value)
    return list(found.names), [UnknownAlarm(register, bit) for bit in found.unknown]
