"""What ReadAlarmRegister and ClearAlarmRegister share: a meter's alarm registers and what their bits mean."""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from osgp.cosem.alarms import ALARM_REGISTERS, REGISTER_BITS, AlarmType, UnknownAlarm, alarms_in
from osgp.cosem.errors import illegal
from osgp.cosem.quantities import whole_number
from osgp.messages.serializers import ChoiceField, IntegerField, StrictSerializer
from osgp.messages.visited_meter import VisitedMeter


class UnknownAlarmSerializer(StrictSerializer):
    """A bit that is set although nothing is known to be meant by it."""

    register = IntegerField(min_value=1, max_value=max(ALARM_REGISTERS))
    bit = IntegerField(min_value=0, max_value=REGISTER_BITS - 1, help_text="0 is the least significant.")


class AlarmsSerializer(StrictSerializer):
    """Alarms of all registers of the meter."""

    alarm_types = serializers.ListField(
        child=ChoiceField(AlarmType), help_text="In the order of registers and of their bits."
    )
    unknown_alarms = UnknownAlarmSerializer(many=True)


def register_tags(meter: VisitedMeter) -> dict[int, str]:
    """The tags of the alarm registers that the meter's profile has, by number; all have the first."""
    tags = {number: f"ALARM_REGISTER_{number}" for number in ALARM_REGISTERS}
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


def alarms(registers: Mapping[int, int]) -> dict[str, Any]:
    """What the registers say, as :class:`AlarmsSerializer` shows it."""
    known: list[AlarmType] = []
    unknown: list[UnknownAlarm] = []
    for number, bits in registers.items():
        of_register, odd = alarms_in(number, bits)
        known += of_register
        unknown += odd
    return {
        "alarm_types": known,
        "unknown_alarms": [{"register": odd.register, "bit": odd.bit} for odd in unknown],
    }
