"""OBIS codes (IEC 62056-6-1): six value groups A to F of one octet each, used as COSEM logical names.

In a catalogue entry group B may be ``x``, which stands for the M-Bus channel 1..4.
"""

import re
from typing import NamedTuple

MBUS_CHANNELS = (1, 2, 3, 4)

_DASHED = re.compile(
    r"([0-9]{1,3})-([0-9]{1,3}|x):([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,3})", re.ASCII
)
_DOTTED = re.compile(r"([0-9]{1,3})\.([0-9]{1,3}|x)" + r"\.([0-9]{1,3})" * 4, re.ASCII)


class Template(NamedTuple):
    """An OBIS code whose group B may be the M-Bus channel; ``groups`` then has a zero there."""

    groups: bytes
    per_channel: bool

    def get_logical_name(self, channel: int | None = None) -> bytes:
        """Return the six octets. Raises ValueError unless `channel` is 1..4 for group B ``x``, else None."""
        if not self.per_channel:
            if channel is not None:
                raise ValueError(f"{self} has no M-Bus channel")
            return self.groups
        if channel not in MBUS_CHANNELS:
            raise ValueError(f"{self} needs an M-Bus channel of 1 to 4, not {channel!r}")
        return bytes((self.groups[0], channel, *self.groups[2:]))

    def __str__(self) -> str:
        text = to_text(self.groups)
        return text.replace("-0:", "-x:", 1) if self.per_channel else text


def parse(text: str) -> bytes:
    """Parse ``1-0:1.8.0.255`` or ``1.0.1.8.0.255`` to six octets. Raises ValueError for anything else."""
    template = parse_template(text)
    if template.per_channel:
        raise ValueError(f"not an OBIS code: {text!r} leaves the channel open")
    return template.groups


def parse_template(text: str) -> Template:
    """Parse a code as `parse` does; group B may be ``x``: ``0-x:24.1.0.255``."""
    match = _DASHED.fullmatch(text) or _DOTTED.fullmatch(text)
    if match is None:
        raise ValueError(f"not an OBIS code: {text[:40]!r}")
    groups = [0 if group == "x" else int(group) for group in match.groups()]
    if max(groups) > 255:
        raise ValueError(f"not an OBIS code: {text!r} has a group above 255")
    return Template(bytes(groups), match.group(2) == "x")


def to_text(logical_name: bytes) -> str:
    """Format six octets as ``1-0:1.8.0.255``. Raises ValueError if there are not six."""
    if len(logical_name) != 6:
        raise ValueError(f"a logical name has 6 bytes, not {len(logical_name)}")
    a, b, c, d, e, f = logical_name
    return f"{a}-{b}:{c}.{d}.{e}.{f}"
