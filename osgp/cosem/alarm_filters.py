"""Alarm filters: which bits of an alarm register may have the meter send a push.

Objects 0-0:97.98.10.255 and following of the Dutch companion standards, double-long-unsigned. A bit means the
same as in the alarm register of the same number.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache

from osgp import catalogue
from osgp.catalogue import Flags, Profile
from osgp.cosem.alarms import REGISTER_BITS, UnknownAlarm
from osgp.cosem.errors import make_illegal_response
from osgp.cosem.quantities import parse_whole_number
from osgp.protocol_dlms import Data, DataType

_TAG = re.compile(r"ALARM_FILTER_([0-9]+)", re.ASCII)
_NO_FLAGS = Flags(REGISTER_BITS, {})


@dataclass(frozen=True)
class AlarmFilter:
    """The value of one alarm filter; ``number`` counts from 1, ``bits`` is 32 bits, ``flags`` names them."""

    number: int
    bits: int
    flags: Flags

    def list_alarm_types(self) -> list[str]:
        """Return the alarms that it lets through, lowest bit first."""
        return list(self.flags.decode(self.bits).names)

    def list_unknown_alarms(self) -> list[UnknownAlarm]:
        """Return the bits that are set and have no name, lowest first."""
        return [UnknownAlarm(self.number, bit) for bit in self.flags.decode(self.bits).unknown]

    def merge(self, asked: Mapping[str, bool]) -> "AlarmFilter":
        """Return the filter with those of the alarms that are its own on or off; all other bits stay."""
        bits = self.bits
        for bit, name in self.flags.names.items():
            if name in asked:
                bits = bits | 1 << bit if asked[name] else bits & ~(1 << bit)
        return replace(self, bits=bits)

    def encode(self) -> Data:
        """Return the value as the meter takes it."""
        return Data(DataType.DOUBLE_LONG_UNSIGNED, self.bits)

    def __str__(self) -> str:
        unknown: Iterable[str] = (f"bit {alarm.bit}" for alarm in self.list_unknown_alarms())
        return f"[{', '.join((*self.list_alarm_types(), *unknown))}]"


@cache
def list_filter_tags() -> Mapping[int, str]:
    """Return the tags of the alarm filters of all profiles, by number, ascending."""
    tags = {item.tag for profile in catalogue.list_profiles() for item in profile}
    found = {int(match.group(1)): tag for tag in tags if (match := _TAG.fullmatch(tag))}
    return dict(sorted(found.items()))


def find_filters(profile: Profile) -> dict[int, str]:
    """Return the tags of the alarm filters of a profile, by number, ascending."""
    return {number: tag for number, tag in list_filter_tags().items() if tag in profile}


def list_alarm_types() -> tuple[str, ...]:
    """Return the names of the alarms that filters of any profile know, ordered by filter and bit."""
    return catalogue.list_flag_names(*list_filter_tags().values())


def parse(data: Data, profile: Profile, number: int) -> AlarmFilter:
    """Return what the value of a filter means in a meter of ``profile``, which has it.

    Raises Fault unless it is a number of 32 bits.
    """
    tag = list_filter_tags()[number]
    bits = parse_whole_number(data, tag)
    if bits is None or not 0 <= bits < 1 << REGISTER_BITS:
        raise make_illegal_response(f"The value of {tag} is no {REGISTER_BITS} bits.")
    return AlarmFilter(number, bits, profile[tag].flags or _NO_FLAGS)
