"""What carries APDUs between a connection and the sessions on it: the wrapper or HDLC. No I/O."""

from typing import NamedTuple, Protocol

from .codec.wrapper import WrapperDecoder, encode_frame

OTHER_CLIENT = 0x40
"""How the address of the other client on a line differs from that of a client."""


class ApduReceived(NamedTuple):
    """``client_address`` sent an APDU to ``server_address``."""

    client_address: int
    server_address: int
    apdu: bytes


class FrameToSend(NamedTuple):
    """The link itself has something to send; ``opening`` when it grants a connection that can still be
    refused, ``parameterless`` when the client asked for it without parameters."""

    octets: bytes
    client_address: int = 0
    server_address: int = 0
    opening: bool = False
    parameterless: bool = False


class Disconnected(NamedTuple):
    """The client has closed its connection on the link, not necessarily the one below."""

    client_address: int
    server_address: int


Event = ApduReceived | FrameToSend | Disconnected


class Link(Protocol):
    """Turns octets into events and answers into octets."""

    def receive_data(self, data: bytes) -> None:
        """Take the next octets of the stream."""

    def take_event(self) -> Event | None:
        """What happened; None until more data arrives. RemoteProtocolError when the stream makes no sense."""

    def send(
        self, client_address: int, server_address: int, apdu: bytes, misaddressed: bool = False
    ) -> bytes:
        """The octets that bring an answer on its way; under other addresses when ``misaddressed``."""

    def refuse(self, client_address: int, server_address: int) -> bytes:
        """The octets that refuse a connection on the link; empty when the link has none."""

    def notify(self, client_address: int, server_address: int, apdu: bytes) -> bytes:
        """The octets that bring an APDU that nobody has asked for."""

    def send_to_other(self, client_address: int, server_address: int, apdu: bytes) -> bytes:
        """The octets that bring an APDU to a client that shares the line with this one."""


class WrapperLink:
    """APDUs in wrapper frames."""

    __slots__ = ("_decoder",)

    def __init__(self) -> None:
        self._decoder = WrapperDecoder()

    def receive_data(self, data: bytes) -> None:
        """Take the next octets of the stream."""
        self._decoder.receive_data(data)

    def take_event(self) -> Event | None:
        """The next APDU."""
        frame = self._decoder.take_frame()
        return ApduReceived(*frame) if frame is not None else None

    def send(
        self, client_address: int, server_address: int, apdu: bytes, misaddressed: bool = False
    ) -> bytes:
        """One frame, from the server to the client."""
        if misaddressed:
            return encode_frame(server_address ^ 0x01, client_address ^ 0x01, apdu)
        return encode_frame(server_address, client_address, apdu)

    def refuse(self, client_address: int, server_address: int) -> bytes:
        """The wrapper has no connections of its own."""
        return b""

    def notify(self, client_address: int, server_address: int, apdu: bytes) -> bytes:
        """A frame as for an answer."""
        return encode_frame(server_address, client_address, apdu)

    def send_to_other(self, client_address: int, server_address: int, apdu: bytes) -> bytes:
        """A frame to another wPort."""
        return encode_frame(server_address, client_address ^ OTHER_CLIENT, apdu)
