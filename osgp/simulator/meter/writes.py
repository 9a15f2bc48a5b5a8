"""What happens in a meter when an attribute is written, beyond keeping the value: one function per tag and
attribute, found by decorator, and one for alarm registers whatever their tags."""

from collections.abc import Callable

from ..codec.axdr import Data, decode
from ..codec.errors import RemoteProtocolError
from ..codec.results import DataAccessResult
from . import history
from .control import CONNECTED, NO_CONTROL
from .event_names import BREAKER_CLOSED, CONFIGURATION_CHANGE, PASSIVE_TARIFF_UPDATED
from .query import AccessError, LogicalDevice, ObjectEntry, Write
from .quirky_times import read_date_time
from .schedules import note_rewriting, settle

WRITES: dict[tuple[str, str], Write] = {}
"""By tag and name of the attribute."""
_FIELDS_OF_TIME = 9
"""Octets of a date-time before the deviation."""
_YEARS = range(2000, 2100)
"""Which a meter's clock can be set to."""


def _register_write(tag: str, attribute: str = "value") -> Callable[[Write], Write]:
    def register(write: Write) -> Write:
        WRITES[tag, attribute] = write
        return write

    return register


@_register_write("CLOCK", "time")
def set_clock(meter: LogicalDevice, entry: ObjectEntry, data: Data, now: float) -> bool:
    """The clock runs on from the time that was written."""
    try:
        moment = read_date_time(meter, data.value)
    except RemoteProtocolError as error:
        raise AccessError(DataAccessResult.TYPE_UNMATCHED) from error
    if moment.year not in _YEARS:
        raise AccessError(DataAccessResult.OTHER_REASON)
    record = meter.make_record()
    drawn = meter.clock_offset_at(now) - record.clock_offset(now)
    record.set_clock(now, moment.timestamp() - now - drawn)
    return True


def set_alarm_register(meter: LogicalDevice, entry: ObjectEntry, data: Data, now: float) -> bool:
    """From now on it is events that set bits again. Clearing is an event too."""
    if not isinstance(data.value, int):
        return False  # another profile may have a register that shows no bits
    settle(meter, now)
    record = meter.make_record()
    record.latch(entry.tag, now, data.value)
    record.managed_since = min(record.managed_since, now)
    cleared = meter.type.register_cleared(entry.tag)
    if data.value == 0 and cleared is not None:
        meter.record_event(now, cleared.name)
    return True


@_register_write("CLEAR_MBUS_STATUS")
def clear_mbus_status(meter: LogicalDevice, entry: ObjectEntry, data: Data, now: float) -> bool:
    """The bits of the mask are acknowledged: they come back with a new event only."""
    if not isinstance(data.value, int):
        return False
    channel = entry.channel or 0
    status = history.mbus_status(meter, channel, now)
    record = meter.make_record()
    record.latch(history.mbus_latch(channel), now, status & ~data.value)
    record.managed_since = min(record.managed_since, now)
    return False


def schedule_test(meter: LogicalDevice, entry: ObjectEntry, data: Data, now: float) -> bool:
    """The test is carried out at the times that were written, from now on."""
    note_rewriting(meter, entry.tag, now)
    meter.settings.alarms.note_change(meter.identification)
    return False


def choose_destination(meter: LogicalDevice, entry: ObjectEntry, data: Data, now: float) -> bool:
    """What a meter pushes somewhere, it has to look out for."""
    meter.settings.alarms.note_change(meter.identification)
    return False


def clear_buffer(name: str, meter: LogicalDevice, entry: ObjectEntry, data: Data, now: float) -> bool:
    """The attribute ``name`` of a buffer is written: rows that were captured otherwise are gone."""
    if decode(meter.get(entry.descriptors[name])) != data:
        meter.make_record().cleared[entry.tag, entry.channel] = now
    return False


@_register_write("DISCONNECT_CONTROL", "control_mode")
def choose_control_mode(meter: LogicalDevice, entry: ObjectEntry, data: Data, now: float) -> bool:
    """In mode 0 the relay is always connected."""
    if data.value == NO_CONTROL and meter.memory.control_state != CONNECTED:
        meter.record_event(now, BREAKER_CLOSED)
        meter.switch(CONNECTED, now)
    return False


@_register_write("CONFIGURATION_OBJECT")
def change_configuration(meter: LogicalDevice, entry: ObjectEntry, data: Data, now: float) -> bool:
    """An event, which sets an alarm."""
    meter.record_event(now, CONFIGURATION_CHANGE)
    return False


@_register_write("ACTIVITY_CALENDAR", "day_profile_table_passive")
def prepare_calendar(meter: LogicalDevice, entry: ObjectEntry, data: Data, now: float) -> bool:
    """The passive calendar was updated."""
    meter.record_event(now, PASSIVE_TARIFF_UPDATED)
    return False


@_register_write("ACTIVITY_CALENDAR", "activate_passive_calendar_time")
def plan_activation(meter: LogicalDevice, entry: ObjectEntry, data: Data, now: float) -> bool:
    """The passive calendar becomes active when the clock shows the time that was written.

    Never if the time is past, or open in all its fields. One that is open in some fields is refused (Blue
    Book); weekday, seconds, hundredths and deviation may be open.
    """
    record = meter.make_record()
    if data.value[:_FIELDS_OF_TIME] == b"\xff" * len(data.value[:_FIELDS_OF_TIME]):
        record.activation_planned = None
        return False
    try:
        moment = read_date_time(meter, data.value)
    except RemoteProtocolError as error:
        raise AccessError(DataAccessResult.OTHER_REASON) from error
    is_to_come = moment.timestamp() > now + meter.clock_offset_at(now)
    record.activation_planned = now if is_to_come else None
    return False
