"""The wrapper of TCP and UDP: each APDU follows a header of version, source and destination wPort and length
(Green Book 7.3).
"""

import struct
from typing import ClassVar

from osgp.protocol_dlms import errors
from osgp.protocol_dlms.settings import Limits, MeterAddress
from osgp.protocol_dlms.transport.strays import MOST_UNSOLICITED, NOTIFICATIONS
from osgp.protocol_dlms.transport.stream import Stream

VERSION = 1
HEADER = struct.Struct(">HHHH")


def build_frame(source: int, destination: int, apdu: bytes) -> bytes:
    """Return ``apdu`` with its header. Raises EncodeError above 65535 octets."""
    if len(apdu) > 0xFFFF:
        raise errors.EncodeError("an APDU in a wrapper has at most 65535 octets")
    return HEADER.pack(VERSION, source, destination, len(apdu)) + apdu


class WrapperLink:
    """Wrapper frames between our client and one logical device."""

    agreed_frames: ClassVar[None] = None

    def __init__(self, stream: Stream, client_address: int, address: MeterAddress, limits: Limits) -> None:
        self._stream = stream
        self._client = client_address
        self._server = address.logical_device_address
        self._apdu_size = limits.apdu_size
        self.unsolicited: list[bytes] = []

    def open(self) -> None:
        """Do nothing: the wrapper has no data link."""

    def send(self, apdu: bytes) -> None:
        self._stream.send(self.frame(apdu))

    def frame(self, apdu: bytes) -> bytes:
        """Return ``apdu`` in the frame in which :meth:`send` sends it."""
        return build_frame(self._client, self._server, apdu)

    def receive(self) -> bytes:
        """Receive the next APDU from our logical device to our client.

        What others say on the line is skipped; notifications to other clients, as pushes are addressed, are
        in ``unsolicited`` then.
        """
        stream = self._stream
        while True:
            version, source, destination, length = HEADER.unpack(stream.receive_exactly(HEADER.size))
            if version != VERSION:
                raise errors.WrapperHeaderInvalid("the answer does not begin with a wrapper header")
            if (source, destination) == (self._server, self._client):
                break
            self._set_aside(stream.receive_rest(length))
            stream.strays.skip(HEADER.size + length, self._describe_stray(source))
        if not 0 < length <= self._apdu_size:
            raise (
                errors.ReplyTooLarge(f"an APDU of more than {self._apdu_size} octets")
                if length
                else errors.IllegalResponse("an empty APDU")
            )
        return stream.receive_rest(length)

    def disconnect(self) -> None:
        """Do nothing: the wrapper has no data link."""

    def _describe_stray(self, source: int) -> str:
        """Say what is wrong with the addresses. Not what they are: nothing proves yet that it is a meter."""
        if source != self._server:
            return f"from another logical device than {self._server}"
        return f"to another client than {self._client}"

    def _set_aside(self, apdu: bytes) -> None:
        if apdu and apdu[0] in NOTIFICATIONS and len(self.unsolicited) < MOST_UNSOLICITED:
            self.unsolicited.append(apdu)
