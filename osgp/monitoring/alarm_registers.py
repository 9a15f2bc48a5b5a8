"""What ReadAlarmRegister and ClearAlarmRegister share: a meter's alarm registers and what their bits mean."""

from dataclasses import dataclass, field
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
from osgp.cosem.numbers import to_bits
from osgp.faults import Fault
from osgp.messages.partial_reads import choose_fault
from osgp.messages.serializers import ChoiceField, IntegerField
from osgp.messages.unavailable import UnavailableList, list_unavailable
from osgp.messages.visited_meter import VisitedMeter
from osgp.protocol_dlms import Data

TAGS = {number: make_register_tag(number) for number in list_register_numbers()}
"""Tags of the alarm registers by number; most profiles have only the first."""
LARGEST = (1 << REGISTER_BITS) - 1
"""All alarms of a register."""


class UnknownAlarm(TypedDict):
    """A bit that is set but has no known meaning."""

    register: Annotated[int, IntegerField(min_value=1, max_value=max(TAGS))]
    bit: Annotated[int, IntegerField(min_value=0, max_value=REGISTER_BITS - 1), "0 is the least significant."]


class Alarms(TypedDict):
    """Alarms of all registers of the meter, but those that are unavailable."""

    alarm_types: Annotated[
        list[Annotated[str, ChoiceField(list_alarm_types())]], "In the order of registers and of their bits."
    ]
    unknown_alarms: list[UnknownAlarm]
    unavailable: UnavailableList


@dataclass(frozen=True, slots=True)
class AlarmRegisters:
    """The registers of a meter by number: what they hold, and the bits of that."""

    values: dict[int, Data] = field(default_factory=dict)
    bits: dict[int, int] = field(default_factory=dict)
    faults: dict[str, Fault] = field(default_factory=dict)
    """By tag, of those that could not be read."""


def find_registers(meter: VisitedMeter) -> dict[int, str]:
    """The tags of the alarm registers of the meter's profile, by number."""
    found = {number: tag for number, tag in TAGS.items() if tag in meter.profile}
    # Of a profile without any, the first one is returned: addressing it raises fault 416.
    return found or {1: TAGS[1]}


def read_registers(meter: VisitedMeter) -> AlarmRegisters:
    """Read the 32 bits of each alarm register. Raises the first Fault if none has them."""
    tags = find_registers(meter)
    values = meter.get_each([meter.find_attribute(tag, "value") for tag in tags.values()])
    registers = AlarmRegisters()
    for (number, tag), value in zip(tags.items(), values, strict=True):
        if isinstance(value, Fault):
            registers.faults[tag] = value
            continue
        try:
            registers.bits[number] = to_bits(value.value, LARGEST)
            registers.values[number] = value
        except ValueError:
            registers.faults[tag] = make_illegal_response(f"The value of {tag} is no {REGISTER_BITS} bits.")
    if registers.faults and not registers.bits:
        raise choose_fault(registers.faults.values())
    return registers


def list_alarms(profile: Profile, registers: AlarmRegisters) -> Alarms:
    """The alarms that are set in the registers of a meter."""
    known: list[str] = []
    unknown: list[UnknownAlarm] = []
    for number, bits in registers.bits.items():
        of_register, others = find_alarms(profile, number, bits)
        known += of_register
        unknown += [{"register": alarm.register, "bit": alarm.bit} for alarm in others]
    return {
        "alarm_types": known,
        "unknown_alarms": unknown,
        "unavailable": list_unavailable(registers.faults),
    }
