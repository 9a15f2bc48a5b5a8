"""Class 22, single action schedule: tests that meters carry out at the times that were written."""

from datetime import datetime

from ..codec.axdr import decode
from .event_types import Event
from .record import Record
from .state import LivingMeter

_OPEN = 0xFF


def list_fired(meter: LivingMeter, record: Record, until: float) -> list[Event]:
    """The tests that the schedules, as they are now, have carried out."""
    return [
        event
        for tag, written in record.schedules.items()
        for event in _list_events(meter, tag)
        if written < event.moment <= until
    ]


def _list_events(meter: LivingMeter, tag: str) -> list[Event]:
    encoded = meter.override(meter.type.profile[tag].address_attribute("execution_time"))
    if encoded is None:
        return []
    test = meter.type.events[tag]
    events = []
    for item in decode(encoded).value:
        time, date = (part.value for part in item.value)
        stamp = _stamp(meter, time, date)
        if stamp is not None:
            events.append(Event(stamp - meter.clock_offset_at(stamp), test))
    return events


def _stamp(meter: LivingMeter, time: bytes, date: bytes) -> float | None:
    """The UNIX time, by the meter's clock, of an execution time; None when any part of it is left open."""
    year = int.from_bytes(date[:2], "big")
    if len(time) != 4 or len(date) != 5 or _OPEN in (*date[2:4], *time[:2]) or year == 0xFFFF:
        return None
    second = 0 if time[2] == _OPEN else time[2]
    try:
        return datetime(year, date[2], date[3], time[0], time[1], second, tzinfo=meter.zone).timestamp()
    except ValueError:
        return None


def settle(meter: LivingMeter, now: float) -> None:
    """Note what was carried out so far: before a register is written, whose bits it may have set."""
    record = meter.record
    for tag in record.schedules if record is not None else ():
        note_rewriting(meter, tag, now)


def note_rewriting(meter: LivingMeter, tag: str, now: float) -> None:
    """The execution times are about to be replaced: keep what was carried out, and fire no earlier."""
    record = meter.make_record()
    for event in _list_events(meter, tag):
        if record.schedules.get(tag, now) < event.moment <= now:
            record.add_event(event)
    record.schedules[tag] = now
