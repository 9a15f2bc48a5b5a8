"""What ReadAlarmRegister and ClearAlarmRegister share: a meter's alarm registers and what their bits mean."""

from collections.abc import Mapping
from typing import Annotated, TypedDict

from osgp.catalogue import Profile
from osgp.cosem.alarms import (
    REGISTER_BITS,
    find_alarms,
    list_alarm_types,
    list_register_numbers,
    make_register_tag,
)
from osgp.cosem.errors import make_illegal_response
from osgp.cosem.quantities import parse_whole_number
from osgp.messages.serializers import ChoiceField, IntegerField
from osgp.messages.visited_meter import VisitedMeter

TAGS = {number: make_register_tag(number) for number in list_register_numbers()}
"""Tags of the alarm registers by number; most profiles have only the first."""


class UnknownAlarm(TypedDict):
    """A bit that is set but has no known meaning."""

    register: Annotated[int, IntegerField(min_value=1, max_value=max(TAGS))]
    bit: Annotated[int, IntegerField(min_value=0, max_value=REGISTER_BITS - 1), "0 is the least significant."]


class Alarms(TypedDict):
    """Alarms of all registers of the meter."""

    alarm_types: Annotated[
        list[Annotated[str, ChoiceField(list_alarm_types())]], "In the order of registers and of their bits."
    ]
    unknown_alarms: list[UnknownAlarm]


def find_registers(meter: VisitedMeter) -> dict[int, str]:
    """The tags of the alarm registers of the meter's profile, by number."""
    found = {number: tag for number, tag in TAGS.items() if tag in meter.profile}
    # Of a profile without any, the first one is returned: addressing it raises fault 416.
    return found or {1: TAGS[1]}


def read_registers(meter: VisitedMeter) -> dict[int, int]:
    """Read the 32 bits of each alarm register, by number. Raises Fault if a value is not 32 bits."""
    tags = find_registers(meter)
    values = meter.get_all([meter.find_attribute(tag, "value") for tag in tags.values()])
    registers = {}
    for (number, tag), data in zip(tags.items(), values, strict=True):
        bits = parse_whole_number(data, tag)
        if bits is None or not 0 <= bits < 1 << REGISTER_BITS:
            raise make_illegal_response(f"The value of {tag} is no {REGISTER_BITS} bits.")
        registers[number] = bits
    return registers


def list_alarms(profile: Profile, registers: Mapping[int, int]) -> Alarms:
    """The alarms that are set in registers, given their bits by number."""
    known: list[str] = []
    unknown: list[UnknownAlarm] = []
    for number, bits in registers.items():
        of_register, others = find_alarms(profile, number, bits)
        known += of_register
        unknown += [{"register": alarm.register, "bit": alarm.bit} for alarm in others]
    return {"alarm_types": known, "unknown_alarms": unknown}
