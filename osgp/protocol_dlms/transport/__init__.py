"""How APDUs travel: a carrier (TCP) takes octets to a meter, in wrapper or HDLC frames (Green Book 7 and 8).

A new carrier is a class like :class:`Stream` in ``CARRIERS``, a new framing one like :class:`WrapperLink` in
``FRAMINGS``.
"""

from collections.abc import Mapping
from typing import Protocol

from osgp.catalogue.communication import Carrier, Framing
from osgp.protocol_dlms.deadlines import SessionClock
from osgp.protocol_dlms.settings import Limits, MeterAddress
from osgp.protocol_dlms.transport.hdlc_link import HdlcLink
from osgp.protocol_dlms.transport.line import Line
from osgp.protocol_dlms.transport.stream import Stream
from osgp.protocol_dlms.transport.wrapper import WrapperLink


class Link(Protocol):
    """Carries one APDU at a time each way. All raise the typed errors of the connection and of time."""

    def open(self) -> None:
        """Sets up the data link, where there is one."""

    def send(self, apdu: bytes) -> None:
        """Sends one whole APDU."""

    def receive(self) -> bytes:
        """The next whole APDU, of at most ``Limits.apdu_size`` octets."""

    def disconnect(self) -> None:
        """Takes the data link down in good order, where there is one. The stream stays open."""


CARRIERS: Mapping[Carrier, type[Stream]] = {Carrier.TCP: Stream}
FRAMINGS: Mapping[Framing, type[WrapperLink] | type[HdlcLink]] = {
    Framing.WRAPPER: WrapperLink,
    Framing.HDLC: HdlcLink,
}


def connect(address: MeterAddress, clock: SessionClock, line: Line | None) -> Stream:
    """Dial a meter over ``address.carrier``."""
    return CARRIERS[address.carrier](address.host, address.port, clock, line)


def open_link(stream: Stream, address: MeterAddress, client_address: int, limits: Limits) -> Link:
    """The link for ``address.framing``, ready to send."""
    link = FRAMINGS[address.framing](stream, client_address, address.logical_device_address, limits.apdu_size)
    link.open()
    return link


__all__ = ["Line", "Link", "Stream", "connect", "open_link"]
