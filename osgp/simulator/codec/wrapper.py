"""The wrapper that carries APDUs over TCP (Green Book "DLMS/COSEM transport layer for IPv4", 47)."""

import struct
from typing import NamedTuple

from .errors import LocalProtocolError, RemoteProtocolError

VERSION = 1
HEADER = struct.Struct(">HHHH")
MAXIMUM_APDU = 0xFFFF


class WrapperFrame(NamedTuple):
    """One APDU with its wrapper ports: ``source`` sent it to ``destination``."""

    source: int
    destination: int
    apdu: bytes


def encode_frame(source: int, destination: int, apdu: bytes) -> bytes:
    """The wire form; both ports are 0..65535."""
    if len(apdu) > MAXIMUM_APDU:
        raise LocalProtocolError(f"an APDU of {len(apdu)} octets does not fit a wrapper frame")
    return HEADER.pack(VERSION, source, destination, len(apdu)) + apdu


class WrapperDecoder:
    """Cuts a TCP stream, in whatever pieces it arrives, into wrapper frames."""

    __slots__ = ("_buffer", "maximum_apdu")

    def __init__(self, maximum_apdu: int = MAXIMUM_APDU) -> None:
        self._buffer = bytearray()
        self.maximum_apdu = maximum_apdu

    def receive_data(self, data: bytes) -> None:
        """Take the next octets of the stream."""
        self._buffer += data

    def take_frame(self) -> WrapperFrame | None:
        """The next complete frame, or None until more data arrives."""
        buffer = self._buffer
        if len(buffer) < HEADER.size:
            return None
        version, source, destination, length = HEADER.unpack_from(buffer)
        if version != VERSION:
            raise RemoteProtocolError(f"wrapper version {version} is not known")
        if length > self.maximum_apdu:
            raise RemoteProtocolError(f"an APDU of {length} octets is longer than {self.maximum_apdu}")
        end = HEADER.size + length
        if len(buffer) < end:
            return None
        apdu = bytes(buffer[HEADER.size : end])
        del buffer[:end]
        return WrapperFrame(source, destination, apdu)
