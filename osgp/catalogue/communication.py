"""How head-end and meter communicate: the carrier of octets, the framing and the protection of APDUs."""

from enum import StrEnum


class Carrier(StrEnum):
    """The carrier of octets between the head-end and a meter."""

    TCP = "TCP"


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
