"""The steps of a call to a meter, so that an error says how far the call came."""

from enum import StrEnum


class Step(StrEnum):
    """A step of a call, in the order in which they are taken."""

    PREPARATION = "PREPARATION"
    """Before dialling: address, settings and keys."""
    CONNECTION = "CONNECTION"
    """The name of the host, and the TCP connection."""
    DATA_LINK = "DATA_LINK"
    """The data link of HDLC."""
    ASSOCIATION = "ASSOCIATION"
    """AARQ and AARE."""
    AUTHENTICATION = "AUTHENTICATION"
    """Passes 3 and 4 of HLS."""
    INVOCATION_COUNTER = "INVOCATION_COUNTER"
    """The public client reads the invocation counter."""
    KEY_RECOVERY = "KEY_RECOVERY"
    """A change of keys is finished that was cut off."""
    EXCHANGE = "EXCHANGE"
    """What is done over the association."""
