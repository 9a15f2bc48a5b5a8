"""How head-end and meter communicate: the carrier of octets, the framing and the protection of APDUs."""

from enum import StrEnum


class Carrier(StrEnum):
    """The carrier of octets between the head-end and a meter."""

    TCP = "TCP"
    UDP = "UDP"
    """One APDU in its wrapper per datagram."""


class Framing(StrEnum):
    """The frame around an APDU, with its length and the addresses of client and logical device."""

    WRAPPER = "WRAPPER"
    """The wrapper of the TCP-UDP/IP profile (Green Book, DLMS/COSEM transport layers for IP networks)."""
    HDLC = "HDLC"
    """Frames of the HDLC profile (Green Book, data link layer using the HDLC protocol)."""


class Security(StrEnum):
    """Authentication mechanism and, for HLS5, the protection of every APDU (security suite 0)."""

    NONE = "NONE"
    LLS = "LLS"
    HLS5 = "HLS5"


class RangeBorders(StrEnum):
    """Which of its two borders a meter counts to a range of a buffer."""

    BOTH = "BOTH"
    """As the Blue Book has it."""
    END = "END"
    """Rows after the first, up to and with the second."""
    START = "START"
    """Rows from the first on, without the second."""
    NEITHER = "NEITHER"


class RangeBounds(StrEnum):
    """How a meter wants to be told the bounds of a range of a buffer."""

    DEVIATION = "DEVIATION"
    """Local time with deviation and clock status."""
    NO_DEVIATION = "NO_DEVIATION"
    """Local time, deviation and clock status not specified."""
    FULL_HOURS = "FULL_HOURS"
    """Local time on full hours, with deviation and clock status."""
    NO_DEVIATION_FULL_HOURS = "NO_DEVIATION_FULL_HOURS"


class DeviationSign(StrEnum):
    """The sign of the deviation in the date-times of a meter."""

    STANDARD = "STANDARD"
    """Minutes from local time to UTC, as the Blue Book has it: -60 in Central Europe in winter."""
    OPPOSITE = "OPPOSITE"
    """Minutes from UTC to local time."""
