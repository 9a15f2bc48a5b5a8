"""When a meter's clock was wrong: now and then it jumps, and some time later it is put right."""

from typing import NamedTuple
from zlib import crc32

from .load_curve import DAY, START

PERIOD = 97 * DAY
"""There is one shift in every such period."""

LONGEST = 3 * DAY
LARGEST = 1_200
"""Seconds by which a clock is wrong at most."""

_SMALLEST = 75


class ClockShift(NamedTuple):
    """From ``begin`` until ``end`` (true time) the clock was ``seconds`` ahead, or behind when negative."""

    begin: float
    end: float
    seconds: int


def _shift(identification: str, number: int) -> ClockShift:
    draw = crc32(f"{identification}:clock:{number}".encode())
    begin = START + number * PERIOD + draw % (PERIOD - LONGEST)
    seconds = _SMALLEST + (draw >> 7) % (LARGEST - _SMALLEST)
    return ClockShift(begin, begin + 6 * 3_600 + (draw >> 5) % (2 * DAY), seconds if draw & 1 else -seconds)


def list_shifts(identification: str, since: float, until: float) -> list[ClockShift]:
    """The shifts that began before ``until`` and ended after ``since``, oldest first."""
    first = max(int(since - START) // PERIOD, 0)
    shifts = (_shift(identification, number) for number in range(first, int(until - START) // PERIOD + 1))
    return [shift for shift in shifts if shift.begin < until and shift.end > since]


def find_offset(identification: str, moment: float) -> float:
    """Seconds that the clock was ahead at a moment of true time."""
    if moment < START:
        return 0.0
    shift = _shift(identification, int(moment - START) // PERIOD)
    return shift.seconds if shift.begin <= moment < shift.end else 0.0
