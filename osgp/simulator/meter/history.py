"""What has happened to a meter up to a moment: what was drawn for it and what was recorded, as one history.

Logs, counters, alarm registers, status flags and gaps of buffers all ask here, so that they agree. Mishaps
that are drawn end when the fleet becomes calm (``FleetSettings.calm_from``); recorded ones happen whenever.
"""

from collections.abc import Iterable, Iterator

from . import clock_shifts, event_names, outages
from .clock_shifts import ClockShift
from .event_types import Event
from .incidents import CLEARING, Kind
from .load_curve import DAY, START
from .outages import Outage
from .record import Latch, Record
from .schedules import list_fired
from .state import LivingMeter

SMALL_SHIFT = 60
"""Seconds by which a clock may be set without being adjusted, in the sense of the logs and status flags."""

_FIRST_SPAN = 128 * DAY


def find_end_of_trouble(meter: LivingMeter, moment: float) -> float:
    """The end of the time, up to ``moment``, in which mishaps are drawn."""
    calm_from = meter.settings.calm_from
    return moment if calm_from is None else min(moment, calm_from)


# Power


def list_outages(meter: LivingMeter, since: float, until: float) -> list[Outage]:
    """Outages that began before ``until`` and ended after ``since``, oldest first."""
    troubled = find_end_of_trouble(meter, until)
    found = outages.draw_outages(meter.identification, since, troubled) if since < troubled else []
    record = meter.record
    if record is not None and record.outages:
        recorded = (outage for outage in record.outages if outage.begin < until and outage.end > since)
        hidden = _find_hidden(meter, record)
        found = sorted((*(outage for outage in found if outage not in hidden), *recorded))
    return found


def _find_hidden(meter: LivingMeter, record: Record) -> set[Outage]:
    """Drawn outages that happened while there was no power anyway."""
    return {
        drawn
        for outage in record.outages
        for drawn in outages.draw_outages(
            meter.identification, outage.begin, find_end_of_trouble(meter, outage.end)
        )
    }


def count_outages(meter: LivingMeter, moment: float) -> tuple[int, int]:
    """How many outages have ended: all, and the long ones."""
    every, long = outages.count_outages(meter.identification, find_end_of_trouble(meter, moment))
    record = meter.record
    if record is not None:
        recorded = [outage for outage in record.outages if outage.end <= moment]
        every += len(recorded)
        long += sum(outage.is_long for outage in recorded)
        hidden = [outage for outage in _find_hidden(meter, record) if outage.end <= moment]
        every -= len(hidden)
        long -= sum(outage.is_long for outage in hidden)
    return every, long


def list_long_outages(meter: LivingMeter, moment: float, entries: int) -> list[Outage]:
    """The last long outages that have ended."""
    found: list[Outage] = []
    span = float(entries * outages.PERIOD * 4)
    while len(found) < entries and span < moment - START + 2 * outages.PERIOD * entries * 4:
        found = [
            outage
            for outage in list_outages(meter, moment - span, moment)
            if outage.is_long and outage.end <= moment
        ]
        span *= 2
    return found[-entries:]


# Time


def list_drawn_shifts(meter: LivingMeter, since: float, until: float) -> list[ClockShift]:
    """Times in which the clock was wrong by itself."""
    troubled = find_end_of_trouble(meter, until)
    if since >= troubled:
        return []
    shifts = clock_shifts.list_shifts(meter.identification, since, troubled)
    calm_from = meter.settings.calm_from
    if calm_from is None:
        return shifts
    return [shift._replace(end=min(shift.end, calm_from)) for shift in shifts]


def list_clock_changes(meter: LivingMeter, since: float, until: float) -> list[float]:
    """When the clock was changed, from ``since`` until ``until``."""
    changes = {
        moment for shift in list_drawn_shifts(meter, since, until) for moment in (shift.begin, shift.end)
    }
    record = meter.record
    if record is not None:
        changes.update(moment for moment, _ in record.clock)
    return sorted(moment for moment in changes if since < moment <= until)


# Events


def make_order_key(event: Event) -> tuple[float, int]:
    """The key by which events are sorted."""
    return event.moment, event.type.code


def _list_power_events(meter: LivingMeter, since: float, until: float) -> Iterator[Event]:
    events = meter.type.events
    failure, returned = events[event_names.POWER_FAILURE], events[event_names.POWER_RETURNED]
    last_gasp = events[event_names.LAST_GASP] if events.has_last_gasp else None
    for outage in list_outages(meter, since - outages.PERIOD, until):
        yield Event(outage.begin, failure)
        yield Event(outage.end, returned)
        if last_gasp is not None:
            yield Event(outage.begin, last_gasp)


def _list_clock_events(meter: LivingMeter, since: float, until: float) -> Iterator[Event]:
    events = meter.type.events
    for moment in list_clock_changes(meter, since - 1, until):
        old, new = meter.clock_offset_at(moment - 0.001), meter.clock_offset_at(moment)
        if abs(new - old) < SMALL_SHIFT:
            yield Event(moment, events[event_names.CLOCK_UPDATE])
            continue
        yield Event(moment, events[event_names.OLD_TIME], offset=old)
        yield Event(moment, events[event_names.NEW_TIME], offset=new)


def _list_commissioning(meter: LivingMeter) -> Iterator[Event]:
    events = meter.type.events
    for log, cleared in events.clearing.items():
        if meter.gas_meters or log not in events.mbus_logs:
            yield Event(START, cleared)
    for gas_meter in meter.gas_meters:
        yield Event(START + 60 * gas_meter.channel, events[event_names.new_device(gas_meter.channel)])


def _list_drawn(
    meter: LivingMeter, kinds: Iterable[Kind], since: float, until: float, *, mishaps_only: bool = False
) -> Iterator[Event]:
    """The events of incidents of some kinds; those of M-Bus devices while there is one."""
    record = meter.record
    troubled = find_end_of_trouble(meter, until)
    for kind in kinds:
        if mishaps_only and not kind.mishap:
            continue
        last = troubled if kind.mishap else until
        if kind.name == CLEARING and record is not None:
            last = min(last, record.managed_since)
        for event in kind.events(meter.identification, since, last):
            if record is None or not record.mbus or _has_device(meter, event):
                yield event


def _has_device(meter: LivingMeter, event: Event) -> bool:
    channel = event.type.channel
    return channel is None or meter.gas_meter(channel, event.moment) is not None


def _list_kinds_in(meter: LivingMeter, log: str | None) -> Iterable[Kind]:
    """The kinds that leave events in a log, or all."""
    known = meter.kinds
    return known.by_name.values() if log is None else known.by_log.get(log, ())


def list_marking_events(meter: LivingMeter, channel: int | None, since: float, until: float) -> list[Event]:
    """The events from ``since`` until ``until`` (true time) that mark the next row of buffers, for an M-Bus
    channel or for the rest."""
    record = meter.record
    found = list(_list_drawn(meter, meter.kinds.marking.get(channel, ()), since, until))
    if record is not None:
        found += (event for event in record.events if event.type.channel in (None, channel))
    return [event for event in found if event.type.row_flags and since <= event.moment <= until]


def list_events(meter: LivingMeter, log: str | None, since: float, until: float) -> list[Event]:
    """The events of a log, or of all, from ``since`` until ``until`` (true time), oldest first."""
    record = meter.record
    found = list(_list_drawn(meter, _list_kinds_in(meter, log), since, until))
    if log is None or log in meter.type.events.logs_of_power_and_clock:
        found += _list_power_events(meter, since, until)
        found += _list_clock_events(meter, since, until)
    if since <= START:
        found += _list_commissioning(meter)
    if record is not None:
        found += record.events
        found += list_fired(meter, record, until)
    wanted = (event for event in found if since <= event.moment <= until and log in (None, event.type.log))
    return sorted(wanted, key=make_order_key)


def list_coming(meter: LivingMeter, since: float, until: float) -> list[Event]:
    """What happens after ``since`` until ``until`` (true time) without anybody's doing, or is planned, and
    may raise an alarm; oldest first."""
    record = meter.record
    found = list(_list_drawn(meter, meter.kinds.by_name.values(), since, until, mishaps_only=True))
    found += _list_power_events(meter, since, until)
    if record is not None:
        found += list_fired(meter, record, until)
    return sorted((event for event in found if since < event.moment <= until), key=make_order_key)


def log_entries(meter: LivingMeter, log: str, now: float, entries: int, oldest: float) -> list[Event]:
    """What a log holds: its last ``entries`` events, without those before ``oldest`` (true time) and those
    before it was cleared."""
    span = _FIRST_SPAN
    while True:
        since = max(now - span, oldest, START)
        found = list_events(meter, log, since, now)
        if len(found) >= entries or since <= max(oldest, START):
            break
        span *= 2
    for place in range(len(found) - 1, -1, -1):
        if found[place].type.clears:
            found = found[place:]
            break
    return found[-entries:] if entries else []


# Registers whose bits events set


def _find_last_clearing(meter: LivingMeter, moment: float) -> float:
    """When alarms and M-Bus status were last cleared as part of the meter's own history."""
    calm_from, record = meter.settings.calm_from, meter.record
    if record is not None:
        moment = min(moment, record.managed_since)
    if calm_from is not None and moment >= calm_from:
        return calm_from
    clearing = meter.kinds.by_name[CLEARING]
    number = clearing.last(meter.identification, moment)
    return START if number is None else clearing.begin(number, clearing.draw(meter.identification, number))


def _find_latch(meter: LivingMeter, key: str, moment: float) -> Latch:
    since = _find_last_clearing(meter, moment)
    record = meter.record
    latch = record.latches.get(key) if record is not None else None
    return latch if latch is not None and latch.moment >= since else Latch(since, 0)


def _list_events_after(meter: LivingMeter, latch: Latch, until: float, kinds: Iterable[Kind]) -> list[Event]:
    """The events, of incidents of some kinds and others, that set bits again after a register was written."""
    since, record = latch.moment, meter.record
    found: list[Event] = []
    if record is not None:
        found += record.list_noted_after(latch, until)
        found += (event for event in list_fired(meter, record, until) if since < event.moment)
    if meter.is_troubled_at(since) or (record is not None and record.outages):
        found += (event for event in _list_power_events(meter, since, until) if since < event.moment <= until)
    if meter.is_troubled_at(since):
        drawn = _list_drawn(meter, kinds, since, until, mishaps_only=True)
        found += (event for event in drawn if since < event.moment)
        if since <= START:
            found += _list_commissioning(meter)
    return found


def alarm_register(meter: LivingMeter, tag: str, moment: float) -> int:
    """The value of an alarm register: what was written last, and the bits of the events since then."""
    latch = _find_latch(meter, tag, moment)
    value = latch.value
    for event in _list_events_after(meter, latch, moment, meter.kinds.by_name.values()):
        alarm = event.type.alarm
        if alarm is not None and alarm.register == tag:
            value |= 1 << alarm.bit
    return value


def mbus_status(meter: LivingMeter, channel: int, moment: float) -> int:
    """The 32 status bits of the M-Bus device on a channel that have not been cleared."""
    latch = _find_latch(meter, mbus_latch(channel), moment)
    value = latch.value
    for bit in _list_status_bits(meter, channel, latch, moment):
        value |= 1 << bit
    return value


def mbus_alarm(meter: LivingMeter, channel: int, moment: float) -> bool:
    """Whether the M-Bus device has raised an alarm since alarms were reset on its channel."""
    latch = _find_latch(meter, f"MBUS_ALARM_{channel}", moment)
    return any(True for _ in _list_status_bits(meter, channel, latch, moment))


def _list_status_bits(meter: LivingMeter, channel: int, latch: Latch, moment: float) -> Iterator[int]:
    kind = meter.kinds.by_name.get(f"mbus-status{channel - 1}")
    for event in _list_events_after(meter, latch, moment, () if kind is None else (kind,)):
        if event.type.status_bit is not None and event.type.channel == channel:
            yield event.type.status_bit


def mbus_latch(channel: int) -> str:
    """Under which name the status of a channel is recorded."""
    return f"MBUS_STATUS_{channel}"


# Counters


def count(meter: LivingMeter, kind: str, name: str, moment: float) -> int:
    """How many events of a name there have been: one in each incident of ``kind``, and recorded ones."""
    drawn = meter.kinds.by_name.get(kind)
    counted = drawn.happened(meter.identification, find_end_of_trouble(meter, moment)) if drawn else 0
    record = meter.record
    if record is not None:
        counted += sum(event.type.name == name and event.moment <= moment for event in record.events)
    return counted


def last(meter: LivingMeter, kind: str, name: str, moment: float) -> Event | None:
    """The last event of a name, None before the first."""
    record = meter.record
    if record is not None:
        recorded = [event for event in record.events if event.type.name == name and event.moment <= moment]
        if recorded:
            return max(recorded, key=make_order_key)
    found = meter.kinds.by_name.get(kind)
    until = find_end_of_trouble(meter, moment)
    number = None if found is None else found.last(meter.identification, until)
    if found is None or number is None:
        return None
    since = START + number * found.period
    return next(
        event for event in found.events(meter.identification, since, until) if event.type.name == name
    )


def count_recorded(meter: LivingMeter, log: str) -> int:
    """How many events of a log are recorded."""
    record = meter.record
    return sum(event.log == log for event in record.events) if record is not None else 0
