"""The bits of alarm registers: what may be pushed, setting them, and those that will be set."""

from ..alarms import Raised
from ..codec.axdr import decode
from . import history
from .event_names import LAST_GASP, POWER_FAILURE
from .event_types import Alarm, Event
from .pushing import SETUP_ALARM
from .query import LogicalDevice


def list_alarms(meter: LogicalDevice, register: str) -> int:
    """The bits of an alarm register that mean something."""
    flags = meter.type.profile[register].flags
    return sum(1 << bit for bit in flags.names) if flags is not None else 0


def find_filter(meter: LogicalDevice, register: str) -> int:
    """The bits of an alarm register that are pushed; all of them in meters that have no filter for it."""
    equipment = meter.type
    number = next(number for number, tag in equipment.alarm_registers.items() if tag == register)
    tag = equipment.alarm_filters.get(number)
    if tag is None:
        return list_alarms(meter, register)
    value = decode(meter.get(equipment.profile[tag].address_attribute("value"))).value
    return value if isinstance(value, int) else 0


def set_bits(meter: LogicalDevice, register: str, bits: int, moment: float) -> None:
    """Bits of an alarm register are set, without an event, until they are cleared."""
    value = history.alarm_register(meter, register, moment) | bits
    meter.make_record().latch(register, moment, value)


def raise_alarm(meter: LogicalDevice, alarm: Alarm, moment: float) -> None:
    """A bit is set, and pushed."""
    set_bits(meter, alarm.register, 1 << alarm.bit, moment)
    meter.settings.alarms.note_raised(Raised(meter.identification, *alarm, moment))


def has_push_setups(meter: LogicalDevice) -> bool:
    """Whether clients tell the meter where to push; older ones push their last gasp and nothing else."""
    return SETUP_ALARM in meter.type.tags


def find_alarm(meter: LogicalDevice, event: Event) -> Raised | None:
    """What a meter pushes for an event, if anything."""
    alarm = event.type.alarm
    if alarm is not None:
        return Raised(meter.identification, alarm.register, alarm.bit, event.moment)
    if event.type.name == POWER_FAILURE and not has_push_setups(meter):
        return Raised(meter.identification, None, 0, event.moment)
    return None


def list_coming_alarms(meter: LogicalDevice, since: float, until: float) -> list[Raised]:
    """The alarms that will be raised from ``since`` until ``until`` (true time), as far as it is known."""
    raised = (find_alarm(meter, event) for event in history.list_coming(meter, since, until))
    return [each for each in raised if each is not None]


def note_power_failure(meter: LogicalDevice, moment: float) -> None:
    """The power fails: meters that can still say so do, and some time later power is back."""
    alarms, events = meter.settings.alarms, meter.type.events
    last_gasp = find_alarm(meter, Event(moment, events[LAST_GASP]))
    for raised in (last_gasp, find_alarm(meter, Event(moment, events[POWER_FAILURE]))):
        if raised is not None:
            alarms.note_raised(raised)
    alarms.note_change(meter.identification)
