"""Where meters push to: ``host:port``, with an IPv6 address in brackets."""

import re
from typing import NamedTuple

LONGEST_HOST = 253
"""Characters of a name in the DNS (RFC 1035)."""

_DESTINATION = re.compile(r"(?:\[([0-9A-Fa-f:.]{2,45})\]|([A-Za-z0-9._-]{1,253})):([0-9]{1,5})", re.ASCII)


class Destination(NamedTuple):
    """A host and a port, 1..65535."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_destination(text: str) -> Destination:
    """The destination in ``text``; ValueError when there is none."""
    match = _DESTINATION.fullmatch(text)
    if match is None or not 1 <= int(match[3]) <= 0xFFFF:
        raise ValueError(f"{text[:50]!r} is no destination such as 192.0.2.1:9598")
    return Destination(match[1] or match[2], int(match[3]))
