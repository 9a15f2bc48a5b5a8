"""What holds between the head-end and a meter once an association is open."""

from typing import NamedTuple

from osgp.protocol_dlms.transport import AgreedFrames


class Agreed(NamedTuple):
    """What the meter said that it can do, and how long it took to connect."""

    connect_seconds: float
    receive_size: int
    """Octets of the longest APDU that the meter takes."""
    lists: bool
    """Requests that name more than one attribute (conformance bit 14, multiple-references)."""
    selective_access: bool
    """Conformance bit 21."""
    frames: AgreedFrames | None
    """With HDLC."""
