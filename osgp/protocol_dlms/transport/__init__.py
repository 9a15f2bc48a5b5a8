"""How APDUs travel: over TCP, in wrapper or in HDLC frames (Green Book 7 and 8)."""

from typing import Protocol

from osgp.protocol_dlms.settings import Limits, MeterAddress, Transport
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


def open_link(stream: Stream, address: MeterAddress, client_address: int, limits: Limits) -> Link:
    """The link for ``address.transport``, ready to send."""
    link: Link
    if address.transport is Transport.HDLC:
        link = HdlcLink(stream, client_address, address.logical_device_address, limits.apdu_size)
    else:
        link = WrapperLink(stream, client_address, address.logical_device_address, limits.apdu_size)
    link.open()
    return link


__all__ = ["Line", "Link", "Stream", "open_link"]
