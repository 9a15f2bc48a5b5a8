"""What ReadAlarmRegister and ClearAlarmRegister share: a meter's alarm registers and what their bits mean."""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from osgp.catalogue import Profile
from osgp.cosem.alarms import (
    REGISTER_BITS,
    UnknownAlarm,
    alarm_types,
    alarms_in,
    register_numbers,
    register_tag,
)
from osgp.cosem.errors import illegal
from osgp.cosem.quantities import whole_number
from osgp.requests.meter import VisitedMeter
from osgp.requests.serializers import ChoiceField, IntegerField, StrictSerializer


class UnknownAlarmSerializer(StrictSerializer):
    """A bit that is set although nothing is known to be meant by it."""

    register = IntegerField(min_value=1, max_value=max(register_numbers()))
    bit = IntegerField(min_value=0, max_value=REGISTER_BITS - 1, help_text="0 is the least significant.")


class AlarmsSerializer(StrictSerializer):
    """Alarms of all registers of the meter."""

    alarm_types = serializers.ListField(
        child=ChoiceField(alarm_types()), help_text="In the order of registers and of their bits."
    )
    unknown_alarms = UnknownAlarmSerializer(many=True)


def register_tags(meter: VisitedMeter) -> dict[int, str]:
    """The tags of the alarm registers that the meter's profile has, by number; all have the first."""
    tags = {number: register_tag(number) for number in register_numbers()}
    return {number: tag for number, tag in tags.items() if number == 1 or tag in meter.profile}


def read_registers(meter: VisitedMeter) -> dict[int, int]:
    """The 32 bits of each alarm register, by number. Raises Fault for what is no register of alarms."""
    tags = register_tags(meter)
    values = meter.get_all([meter.attribute(tag) for tag in tags.values()])
    registers = {}
    for (number, tag), data in zip(tags.items(), values, strict=True):
        bits = whole_number(data, tag)
        if bits is None or not 0 <= bits < 1 << REGISTER_BITS:
            raise illegal(f"The value of {tag} is no {REGISTER_BITS} bits.")
        registers[number] = bits
    return registers


def alarms(profile: Profile, registers: Mapping[int, int]) -> dict[str, Any]:
    """What the registers say, as :class:`AlarmsSerializer` shows it."""
    known: list[str] = []
    unknown: list[UnknownAlarm] = []
    for number, bits in registers.items():
        of_register, odd = alarms_in(profile, number, bits)
        known += of_register
        unknown += odd
    return {
        "alarm_types": known,
        "unknown_alarms": [{"register": odd.register, "bit": odd.bit} for odd in unknown],
    }
