"""A complete push, as the octets of its sender held it."""

from dataclasses import dataclass, field
from enum import StrEnum


class Framing(StrEnum):
    """What stood around a pushed APDU."""

    WRAPPER = "wrapper"
    """The header of the TCP or UDP wrapper (Green Book 7.3)."""
    HDLC = "hdlc"
    """HDLC frames of format type 3 (Green Book 8.4)."""
    MBUS = "mbus"
    """Long frames of the wired M-Bus (EN 13757-2), as on customer ports in Austria and Poland."""
    NONE = "none"
    """Nothing: a bare APDU, the text of a DSMR 4 alarm, or a P1 telegram."""


@dataclass(frozen=True)
class PushedMessage:
    """One pushed message, found and put together.

    ``octets`` are all its frames as received. ``apdu`` is what they carry, without framing, LLC, segments and
    general-block-transfer: general-glo-ciphering, data-notification, event-notification-request, or text.

    ``source`` and ``destination`` are wPorts, HDLC addresses as one number of all their bits, or STSAP and
    DTSAP of M-Bus. They are for display only: they name no meter.
    """

    framing: Framing
    octets: bytes = field(repr=False)
    apdu: bytes = field(repr=False)
    source: int | None = None
    destination: int | None = None
