"""Octets for people: sixteen a line, each line with its offset and with what can be read of it."""

from collections.abc import Sequence
from dataclasses import dataclass

OCTETS_PER_LINE = 16
MOST_OCTETS = 4096
"""Octets that are shown; an alarm has fewer than 100."""


@dataclass(frozen=True)
class Line:
    """Offset of its first octet, the octets in hexadecimal, and those that are ASCII letters and signs."""

    offset: str
    octets: str
    text: str


@dataclass(frozen=True)
class Dump:
    """The beginning of some octets."""

    lines: Sequence[Line]
    size: int
    """Octets in all."""

    @property
    def more(self) -> int:
        """Octets that are not shown."""
        return max(0, self.size - MOST_OCTETS)


def dump(octets: bytes) -> Dump:
    """Return the first MOST_OCTETS octets in lines."""
    shown = octets[:MOST_OCTETS]
    lines = [_draw(shown, start) for start in range(0, len(shown), OCTETS_PER_LINE)]
    return Dump(lines, len(octets))


def _draw(octets: bytes, start: int) -> Line:
    part = octets[start : start + OCTETS_PER_LINE]
    half = OCTETS_PER_LINE // 2
    first, second = part[:half].hex(" "), part[half:].hex(" ")
    text = "".join(chr(octet) if 0x20 <= octet < 0x7F else "·" for octet in part)
    return Line(f"{start:04x}", f"{first}  {second}".ljust(3 * OCTETS_PER_LINE), text)
