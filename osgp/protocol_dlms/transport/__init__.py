"""Transport of APDUs: over a carrier (TCP, UDP), in wrapper or HDLC frames (Green Book 7 and 8).

To add a carrier, add a class like :class:`Stream` to ``CARRIERS``; to add a framing, one like
:class:`WrapperLink` to ``FRAMINGS``.
"""

from collections.abc import Mapping
from typing import Protocol

from osgp.catalogue.communication import Carrier, Framing
from osgp.protocol_dlms.deadlines import SessionClock
from osgp.protocol_dlms.settings import Limits, MeterAddress
from osgp.protocol_dlms.transport.datagrams import Datagrams
from osgp.protocol_dlms.transport.hdlc_link import HdlcLink
from osgp.protocol_dlms.transport.hdlc_parameters import AgreedFrames
from osgp.protocol_dlms.transport.line import Line, Traffic
from osgp.protocol_dlms.transport.stream import Stream
from osgp.protocol_dlms.transport.wrapper import WrapperLink


class Link(Protocol):
    """Sends and receives single APDUs. All methods raise the typed errors of connection and time.

    ``unsolicited`` are APDUs that came beside the exchanges, the oldest first; whoever looks at them takes
    them out. There are never more than ``MOST_UNSOLICITED``: further ones are dropped.
    """

    unsolicited: list[bytes]

    @property
    def agreed_frames(self) -> AgreedFrames | None:
        """What was agreed of the frames, if the framing has a data link."""

    def open(self) -> None:
        """Set up the data link, if the framing has one."""

    def send(self, apdu: bytes) -> None:
        """Send one whole APDU."""

    def receive(self) -> bytes:
        """Receive one whole APDU, of at most ``Limits.apdu_size`` octets."""

    def disconnect(self) -> None:
        """Disconnect the data link, if the framing has one. The stream stays open."""


CARRIERS: Mapping[Carrier, type[Stream]] = {Carrier.TCP: Stream, Carrier.UDP: Datagrams}
FRAMINGS: Mapping[Framing, type[WrapperLink] | type[HdlcLink]] = {
    Framing.WRAPPER: WrapperLink,
    Framing.HDLC: HdlcLink,
}


def connect(address: MeterAddress, clock: SessionClock, line: Line | None) -> Stream:
    """Connect to a meter over ``address.carrier``. Raises the errors of connection and time."""
    return CARRIERS[address.carrier](address.host, address.port, clock, line)


def find_receive_size(address: MeterAddress, limits: Limits) -> int:
    """Return the receive size to propose: ``limits.apdu_size``, or what the carrier carries well if that is
    more than it can carry at all."""
    carrier = CARRIERS[address.carrier]
    return limits.apdu_size if limits.apdu_size <= carrier.apdu_limit else carrier.apdu_size


def open_link(stream: Stream, address: MeterAddress, client_address: int, limits: Limits) -> Link:
    """Open and return the link for ``address.framing``."""
    link = FRAMINGS[address.framing](stream, client_address, address, limits)
    link.open()
    return link


__all__ = [
    "AgreedFrames",
    "Line",
    "Link",
    "Stream",
    "Traffic",
    "WrapperLink",
    "connect",
    "find_receive_size",
    "open_link",
]
