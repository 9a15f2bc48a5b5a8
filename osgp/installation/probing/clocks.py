"""The clock of a meter: how far it is off, in which zone it is, and with which sign it tells deviations."""

import time
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from osgp import platform_time
from osgp.catalogue.communication import DeviationSign
from osgp.cosem.clock import MeterClock, parse_date_time
from osgp.faults import Fault
from osgp.installation.probing.probe import Probe
from osgp.protocol_dlms import CosemDateTime, Data
from osgp.protocol_dlms.cosem_time import (
    DEVIATION_UNSPECIFIED,
    STATUS_DAYLIGHT_SAVING,
    STATUS_UNSPECIFIED,
)

NEAR = timedelta(minutes=10)
"""By how much a clock may be off that still shows in which zone it is."""
QUARTER = timedelta(minutes=15)
"""Zones differ by multiples of it."""
READS = 3


class ClockFinding(NamedTuple):
    """Seconds that the clock is ahead; the text of its zone; None: unknown."""

    seconds_ahead: float | None
    zone: str | None


def find_clock(probe: Probe) -> ClockFinding:
    """Read the clock a few times, which measures the meter as well.

    Raises errors that end the association.
    """
    attribute = probe.meter.find_attribute("CLOCK", "time")
    fault: Fault | None = None
    best: tuple[float, datetime, Data] | None = None
    for _ in range(READS):
        begun, at = time.monotonic(), platform_time.now()
        answer = probe.get(attribute)
        seconds = time.monotonic() - begun
        if isinstance(answer, Fault):
            fault = answer
        elif best is None or seconds < best[0]:
            # What took shortest tells the time best.
            best = seconds, at + timedelta(seconds=seconds / 2), answer
    if best is None:
        assert fault is not None
        probe.findings.add("deviation_sign", f"The clock could not be read: {fault.message}.")
        return ClockFinding(None, None)
    try:
        told = parse_date_time(best[2], "The meter's clock")
        local = _make_local(told)
    except (Fault, ValueError) as error:
        probe.findings.add("deviation_sign", f"The clock tells no time: {error}")
        return ClockFinding(None, None)
    assert isinstance(best[2].value, bytes)
    return _judge(probe, told, local, best[1], best[2].value)


def _make_local(told: CosemDateTime) -> datetime:
    second = min(told.second, 59)
    return datetime(told.year, told.month, told.day, told.hour, told.minute, second, tzinfo=UTC)


def _judge(probe: Probe, told: CosemDateTime, local: datetime, at: datetime, octets: bytes) -> ClockFinding:
    zone = probe.meter.time_zone
    sign, seen = _find_sign(probe, told, local, at)
    probe.findings.add("deviation_sign", f"{seen} {_describe_flag(probe, told, at)}", sign, proposed=sign)
    if sign is not None:
        probe.sign = sign
    shown = MeterClock(zone, probe.sign).decode(octets, near=at)
    offset = round((local - at) / QUARTER) * QUARTER
    is_near = abs(local - at - offset) <= NEAR
    own = at.astimezone(zone).utcoffset() or timedelta()
    name = _name_offset(offset) if is_near else None
    if name is None:
        off = _name_seconds(local - at - own)
        text = f"Its local time is {off} that of {zone.key}; no zone is that far off."
    elif offset == own:
        text = f"Its local time is that of {zone.key}, {name}."
    else:
        text = f"Its local time is that of {name}; in {zone.key} it is {_name_offset(own)}."
    probe.findings.add("time_zone", text, name)
    if shown is None:
        return ClockFinding(None, name)
    probe.clock_ahead = shown - at
    # No negative zero.
    return ClockFinding(round(probe.clock_ahead.total_seconds(), 1) + 0.0, name)


def _find_sign(
    probe: Probe, told: CosemDateTime, local: datetime, at: datetime
) -> tuple[DeviationSign | None, str]:
    """The sign that makes the right time; where neither does, that which makes the right zone."""
    if told.deviation == DEVIATION_UNSPECIFIED:
        return None, "Its date-times have no deviation (8000): they count as local time of the device's zone."
    deviation = timedelta(minutes=told.deviation)
    seen = f"The clock tells a deviation of {told.deviation:+d} minutes."
    if not deviation:
        return None, f"{seen} Its sign cannot be told."
    ahead = {
        DeviationSign.STANDARD: local + deviation - at,
        DeviationSign.OPPOSITE: local - deviation - at,
    }
    right = [sign for sign, off in ahead.items() if abs(off) <= NEAR]
    if len(right) == 1:
        off = _name_seconds(ahead[right[0]])
        return right[0], f"{seen} With {_SIGNS[right[0]]}, its time is {off} the platform's."
    expected = -(at.astimezone(probe.meter.time_zone).utcoffset() or timedelta())
    for sign, own in ((DeviationSign.STANDARD, expected), (DeviationSign.OPPOSITE, -expected)):
        if deviation == own:
            return sign, f"{seen} The clock is off, but {_SIGNS[sign]} that is the device's zone."
    return None, f"{seen} Neither sign makes it the right time."


_SIGNS = {DeviationSign.STANDARD: "the standard sign", DeviationSign.OPPOSITE: "the opposite sign"}


def _describe_flag(probe: Probe, told: CosemDateTime, at: datetime) -> str:
    is_summer = bool(at.astimezone(probe.meter.time_zone).dst())
    if told.status == STATUS_UNSPECIFIED:
        return "It tells no clock status (FF)."
    if bool(told.status & STATUS_DAYLIGHT_SAVING) == is_summer:
        return f"Its clock status tells daylight saving rightly, {'active' if is_summer else 'not active'}."
    return "Its clock status tells daylight saving wrongly."


def _name_offset(offset: timedelta) -> str:
    minutes = round(offset.total_seconds() / 60)
    hours, rest = divmod(abs(minutes), 60)
    return f"UTC{'-' if minutes < 0 else '+'}{hours:02d}:{rest:02d}"


def _name_seconds(ahead: timedelta) -> str:
    seconds = ahead.total_seconds()
    if abs(seconds) < 1:
        return "less than a second off"
    return f"{abs(seconds):.0f} s {'behind' if seconds < 0 else 'ahead of'}"
