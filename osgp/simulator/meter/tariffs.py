"""Which rate energy counts in: by a fixed rule, until a client changes the calendar or the special days.

From then on it is the active calendar by the meter's clock that decides. What was counted before stays: each
change of the calendar, of the special days or of the clock begins a period of its own in the meter's record.
"""

from bisect import bisect_right
from itertools import pairwise

from ..codec.axdr import decode
from ..codec.errors import RemoteProtocolError
from . import history
from .event_names import TARIFF_ACTIVATED
from .load_curve import LOW_TARIFF_HOURS, STANDARD_TIME
from .quirky_times import read_date_time
from .record import MAXIMUM_CHANGES, Record
from .state import LivingMeter
from .tariff_calendar import FACTORY_TABLES, HIGH, LOW, NO_SPECIAL_DAYS, read_calendar
from .tariff_period import TariffPeriod

IMPORT, EXPORT = "IMPORT", "EXPORT"

_SMALL_STEP = 1.0
"""Seconds by which a clock may be put right without a change of the tariff's."""


def _find_period(record: Record | None, moment: float) -> TariffPeriod | None:
    if record is None or not record.tariffs:
        return None
    place = bisect_right(record.tariffs, moment, key=lambda period: period.begin)
    return record.tariffs[place - 1] if place else None


def find_rate(meter: LivingMeter, moment: float) -> int:
    """The rate in which energy counts at a moment of true time: 0 low, 1 high."""
    period = _find_period(meter.record, moment)
    if period is not None:
        return period.find_rate(moment)
    return LOW if int(moment + STANDARD_TIME) // 3600 % 24 in LOW_TARIFF_HOURS else HIGH


def split(meter: LivingMeter, direction: str, moment: float) -> tuple[int, int]:
    """Active energy in Wh that the household has used, or delivered, in the low and in the high rate."""
    household = meter.household
    measure = household.imported if direction == IMPORT else household.exported
    low, high = measure(moment)
    period = _find_period(meter.record, moment)
    if period is None:
        return low, high
    counted = period.count_low(direction, lambda when: sum(measure(when)), moment)
    return counted, low + high - counted


def note_change(meter: LivingMeter, now: float) -> None:
    """The active calendar, the special days or the clock may have changed: from now on count by them.

    Nothing is begun if they say the same as before, as when a clock is put right by less than a second.
    """
    settings = meter.type.calendar_settings
    record = meter.record
    if settings is None:
        return
    special_days = meter.override(settings.special_days) if settings.special_days is not None else None
    written = [meter.override(descriptor) for descriptor in settings.active]
    periods = record.tariffs if record is not None else []
    if not periods and not any((special_days, *written)):
        return
    tables = [encoded or factory for encoded, factory in zip(written, FACTORY_TABLES, strict=True)]
    calendar = read_calendar(*tables[1:], special_days or NO_SPECIAL_DAYS)
    zone, offset = meter.zone, meter.clock_offset_at(now)
    if periods:
        last = periods[-1]
        now = max(now, last.begin)
        if (last.calendar, last.zone) == (calendar, zone) and abs(last.offset - offset) < _SMALL_STEP:
            return
    low = {direction: split(meter, direction, now)[LOW] for direction in (IMPORT, EXPORT)}
    periods = meter.make_record().tariffs
    periods.append(TariffPeriod(now, calendar, zone, offset, low))
    del periods[:-MAXIMUM_CHANGES]


def activate(meter: LivingMeter, moment: float) -> None:
    """What was prepared as passive becomes active. What is written as passive later has no part in it."""
    settings = meter.type.calendar_settings
    overrides = meter.memory.overrides
    if settings is not None and overrides is not None:
        for active, passive in zip(settings.active, settings.passive, strict=True):
            encoded = overrides.get(passive)
            if encoded is not None:
                overrides[active] = encoded
            else:
                overrides.pop(active, None)
    meter.record_event(moment, TARIFF_ACTIVATED)
    note_change(meter, moment)


# Activation at a time that was written


def catch_up(meter: LivingMeter, now: float) -> None:
    """Activate the passive calendar if the time that was written for it has come."""
    record = meter.record
    settings = meter.type.calendar_settings
    if record is None or record.activation_planned is None or settings is None:
        return
    encoded = meter.override(settings.activation_time)
    if encoded is None:
        record.activation_planned = None
        return
    try:
        stamp = read_date_time(meter, decode(encoded).value).timestamp()
    except RemoteProtocolError:
        # In another zone there may be no such time.
        return
    moment = _find_moment(meter, stamp, record.activation_planned, now)
    if moment is not None:
        record.activation_planned = None
        activate(meter, moment)


def _find_moment(meter: LivingMeter, stamp: float, since: float, now: float) -> float | None:
    """When, from ``since`` until ``now``, the meter's clock first showed ``stamp`` or later."""
    changes = history.list_clock_changes(meter, since, now)
    for start, end in pairwise((since, *changes, float("inf"))):
        moment = max(stamp - meter.clock_offset_at(start), start)
        if moment < end:
            return moment if moment <= now else None
    return None
