"""Strict reading of received octets: every read checks that they are there."""

from typing import ClassVar

from osgp.protocol_dlms.errors import DecodeError, IllegalResponse


class Cursor:
    """Reads ``octets`` from front to back. Raises ``error`` at the first missing octet."""

    __slots__ = ("octets", "position")
    error: ClassVar[type[IllegalResponse]] = IllegalResponse

    def __init__(self, octets: bytes, position: int = 0) -> None:
        self.octets = octets
        self.position = position

    def read(self, size: int) -> bytes:
        end = self.position + size
        if end > len(self.octets):
            raise self.error("the answer is cut short")
        taken = self.octets[self.position : end]
        self.position = end
        return taken

    def read_unsigned(self, size: int = 1) -> int:
        """Read a big-endian number of ``size`` octets."""
        return int.from_bytes(self.read(size), "big")

    def read_length(self) -> int:
        """Read a length as BER and A-XDR encode it, of at most four octets."""
        first = self.read_unsigned()
        if first < 0x80:
            return first
        size = first & 0x7F
        if not 1 <= size <= 4:
            raise self.error(f"a length of {size} octets")
        return self.read_unsigned(size)

    def read_rest(self) -> bytes:
        return self.read(len(self.octets) - self.position)

    @property
    def at_end(self) -> bool:
        return self.position >= len(self.octets)

    def expect_end(self) -> None:
        if not self.at_end:
            raise self.error("the answer is longer than it should be")


class AnswerCursor(Cursor):
    """Reads a complete answer to the request at hand: what is wrong with it is a :class:`DecodeError`."""

    __slots__ = ()
    error = DecodeError
