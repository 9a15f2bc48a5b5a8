"""When a meter was without power: now and then, the same outages whenever they are asked for."""

from typing import NamedTuple
from zlib import crc32

from .load_curve import DAY, START

PERIOD = 41 * DAY
"""There is one outage in every such period."""

LONG_SECONDS = 180
"""An outage of so many seconds, or more, is a long one."""

_LONGEST = 4 * 3_600
_EVERY_LONG = 3
"""Every third outage is a long one."""


class Outage(NamedTuple):
    """No power from ``begin`` until ``end``, in true time (UNIX)."""

    begin: float
    end: float

    @property
    def seconds(self) -> int:
        """Its duration."""
        return int(self.end - self.begin)

    @property
    def is_long(self) -> bool:
        """Whether it is listed with its duration."""
        return self.seconds >= LONG_SECONDS


def draw_outages(identification: str, since: float, until: float) -> list[Outage]:
    """The outages that began before ``until`` and ended after ``since``, oldest first."""
    character = crc32(identification.encode())
    first = max(int(since - START) // PERIOD, 0)
    outages = (
        _draw_outage(identification, character, number)
        for number in range(first, int(max(until - START, -1)) // PERIOD + 1)
    )
    return [outage for outage in outages if outage.end > since and outage.begin < until]


def count_outages(identification: str, until: float) -> tuple[int, int]:
    """How many outages have ended: all, and the long ones."""
    character = crc32(identification.encode())
    count = max(int(until - START) // PERIOD, 0)
    if until >= START and _draw_outage(identification, character, count).end <= until:
        count += 1
    first_long = -character % _EVERY_LONG
    return count, (count - first_long + _EVERY_LONG - 1) // _EVERY_LONG if count > first_long else 0


def _draw_outage(identification: str, character: int, number: int) -> Outage:
    draw = crc32(f"{identification}:outage:{number}".encode())
    # It ends within its period, so that outages never overlap.
    begin = START + number * PERIOD + draw % (PERIOD - _LONGEST)
    if (number + character) % _EVERY_LONG:
        return Outage(begin, begin + 1 + (draw >> 9) % (LONG_SECONDS - 1))
    # Most of the long ones are rather short.
    share = (draw >> 9) % 1_000 / 1_000
    return Outage(begin, begin + LONG_SECONDS + int(share**3 * (_LONGEST - LONG_SECONDS)))
