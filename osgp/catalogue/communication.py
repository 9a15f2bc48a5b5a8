"""How a head-end and a meter talk: what carries octets, what frames APDUs in them, and what protects them."""

from enum import StrEnum


class Carrier(StrEnum):
    """What carries octets between the head-end and a meter."""

    TCP = "TCP"


class Framing(StrEnum):
    """What tells where an APDU begins and ends, and which client and logical device it is between."""

    WRAPPER = "WRAPPER"
    """The wrapper of the TCP-UDP/IP profile (Green Book, DLMS/COSEM transport layers for IP networks)."""
    HDLC = "HDLC"
    """Frames of the HDLC profile (Green Book, data link layer using the HDLC protocol)."""


class Security(StrEnum):
    """Authentication mechanism and, for HLS5, the protection of every APDU (security suite 0)."""

    NONE = "NONE"
    LLS = "LLS"
    HLS5 = "HLS5"
