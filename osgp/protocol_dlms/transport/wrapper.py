"""The TCP wrapper: each APDU follows a header of version, source and destination wPort and length (Green
Book 7.3).
"""

import struct

from osgp.protocol_dlms import errors
from osgp.protocol_dlms.settings import Limits, MeterAddress
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

    def __init__(self, stream: Stream, client_address: int, address: MeterAddress, limits: Limits) -> None:
        self._stream = stream
        self._client = client_address
        self._server = address.logical_device_address
        self._apdu_size = limits.apdu_size

    def open(self) -> None:
        """Do nothing: the wrapper has no data link."""

    def send(self, apdu: bytes) -> None:
        self._stream.send(build_frame(self._client, self._server, apdu))

    def receive(self) -> bytes:
        header = self._stream.receive_exactly(HEADER.size)
        version, source, destination, length = HEADER.unpack(header)
        if version != VERSION:
            raise errors.WrapperHeaderInvalid(
                f"the answer does not begin with a wrapper header: version {version}, expected {VERSION}"
            )
        if (source, destination) != (self._server, self._client):
            raise errors.IllegalResponse(
                f"an answer from logical device {source} to client {destination}, "
                f"expected from {self._server} to {self._client}"
            )
        if not 0 < length <= self._apdu_size:
            raise (
                errors.ReplyTooLarge(f"an APDU of {length} octets")
                if length
                else errors.IllegalResponse("an empty APDU")
            )
        return self._stream.receive_exactly(length)

    def disconnect(self) -> None:
        """Do nothing: the wrapper has no data link."""
