"""Which rows a buffer holds, and what befell each: gaps after outages, changed clocks, status flags."""

from bisect import bisect_left
from typing import NamedTuple

from . import history
from .captures import capture_stamps
from .event_types import Event
from .load_curve import DAY, START
from .row_flags import CLOCK_ADJUSTED, POWER_DOWN, RECOVERED_VALUE
from .state import LivingMeter

_MONTH = 31 * DAY
_LONGEST_DRAWN_SHIFT = 1_200


class Row(NamedTuple):
    """A row captured at ``moment`` (true time), when the clock was ``offset`` seconds ahead.

    ``flags`` (:mod:`.row_flags`) are without daylight saving. Rows of event logs have an ``event``.
    """

    moment: float
    offset: float
    flags: int = 0
    event: Event | None = None

    @property
    def stamp(self) -> float:
        """What the clock showed, as UNIX time."""
        return self.moment + self.offset


class Wanted(NamedTuple):
    """The stamps that a client wants, both included."""

    oldest: float = START
    newest: float = float("inf")


def log_rows(meter: LivingMeter, log: str, now: float, entries: int, wanted: Wanted) -> list[Row]:
    """The rows of an event log, in the order in which things happened."""
    record = meter.record
    set_by_hand = record is not None and record.clock
    oldest = START if set_by_hand else wanted.oldest - _LONGEST_DRAWN_SHIFT
    rows = []
    for event in history.log_entries(meter, log, now, entries, oldest):
        offset = event.offset if event.offset is not None else meter.clock_offset_at(event.moment)
        if wanted.oldest <= event.moment + offset <= wanted.newest:
            rows.append(Row(event.moment, offset, event=event))
    return rows


def power_failure_rows(meter: LivingMeter, now: float, entries: int, wanted: Wanted) -> list[Row]:
    """The ends of the last long outages."""
    ends = (outage.end for outage in history.list_long_outages(meter, now, entries))
    rows = (Row(end, meter.clock_offset_at(end)) for end in ends)
    return [row for row in rows if wanted.oldest <= row.stamp <= wanted.newest]


def periodic_rows(
    meter: LivingMeter, period: int, now: float, entries: int, wanted: Wanted, channel: int | None = None
) -> list[Row]:
    """The rows that were captured each ``period`` seconds (86400: each local midnight, 0: each first of a
    month).

    They are the newest that fit the buffer, and each is the same whatever part of them is wanted.
    """
    begin = now - (entries + 1) * (period or _MONTH)
    record = meter.record
    if not (record is not None and record.clock):
        begin = max(begin, wanted.oldest - _LONGEST_DRAWN_SHIFT - (period or _MONTH))
    begin = max(min(begin, now), START)
    back = float(period or _MONTH)
    while entries:
        rows = _find_rows(meter, period, begin, now, entries, channel)
        # What befell the first row may have happened before `begin`, so there has to be one before it. In a
        # full buffer there is, else there may have been an outage.
        kept = rows[-entries:]
        found = [row for row in kept if wanted.oldest <= row.stamp <= wanted.newest]
        if begin <= START or len(rows) > len(kept) or (found and found[0] is not rows[0]):
            return found
        if not found and kept and kept[0].stamp < wanted.oldest - _LONGEST_DRAWN_SHIFT:
            return found
        begin = max(begin - back, START)
        back *= 2
    return []


def _find_rows(
    meter: LivingMeter, period: int, begin: float, now: float, entries: int, channel: int | None
) -> list[Row]:
    """The rows since ``begin``, or since some time before it, with their flags."""
    record = meter.record
    outages = history.list_outages(meter, begin, now)
    if outages and period and period < DAY:
        # What was not captured leaves room for older rows.
        begin = max(begin - sum(outage.end - outage.begin for outage in outages) - period, START)
        outages = history.list_outages(meter, begin, now)
    changes = history.list_clock_changes(meter, begin, now)
    rows = _capture_rows(meter, period, begin, now, changes, entries)
    if outages or changes or history.find_end_of_trouble(meter, now) > begin or record is not None:
        rows = _mark_rows(meter, period, begin, now, rows, channel)
        rows = _leave_out_outages(period, rows, outages)
        rows = _flag_adjustments(meter, rows, changes)
    return rows


def _capture_rows(
    meter: LivingMeter, period: int, begin: float, now: float, changes: list[float], entries: int
) -> list[Row]:
    """A row for each stamp, clock by clock."""
    rows: list[Row] = []
    starts = [begin, *changes]
    for place, start in enumerate(starts):
        is_last = place == len(changes)
        end = now if is_last else changes[place]
        offset = meter.clock_offset_at(start)
        most = int((end - start) / period) + 2 if period else entries + 1
        for stamp in capture_stamps(period, end + offset, most, meter.zone, start + offset):
            # At the very moment of a change it is the new clock that captures.
            if is_last or stamp < end + offset:
                rows.append(Row(stamp - offset, offset))
    return rows


def _find_place(rows: list[Row], moment: float) -> int:
    """The first row captured at ``moment`` or after it."""
    return bisect_left(rows, moment, key=lambda row: row.moment)


def _set_flags(rows: list[Row], moment: float, flags: int) -> None:
    place = _find_place(rows, moment)
    if place < len(rows):
        rows[place] = rows[place]._replace(flags=rows[place].flags | flags)


def _mark_rows(
    meter: LivingMeter, period: int, begin: float, now: float, rows: list[Row], channel: int | None
) -> list[Row]:
    """Rows with the flags that events leave in the first row after them."""
    for event in history.list_marking_events(meter, channel, begin, now):
        _set_flags(rows, event.moment, event.type.row_flags)
    return rows


def _leave_out_outages(period: int, rows: list[Row], outages: list[history.Outage]) -> list[Row]:
    """Rows of a load profile are missing; those of days and months are recovered when power returns."""
    for outage in outages:
        first, end = _find_place(rows, outage.begin), _find_place(rows, outage.end)
        # What is captured at the very beginning has still been captured.
        if first < end and rows[first].moment == outage.begin:
            first += 1
        if period and period < DAY:
            del rows[first:end]
        else:
            for place in range(first, end):
                flags = rows[place].flags | RECOVERED_VALUE | POWER_DOWN
                rows[place] = rows[place]._replace(flags=flags)
        _set_flags(rows, outage.end, POWER_DOWN)
    return rows


def _flag_adjustments(meter: LivingMeter, rows: list[Row], changes: list[float]) -> list[Row]:
    for moment in changes:
        shift = meter.clock_offset_at(moment) - meter.clock_offset_at(moment - 0.001)
        if abs(shift) >= history.SMALL_SHIFT:
            _set_flags(rows, moment, CLOCK_ADJUSTED)
    return rows
