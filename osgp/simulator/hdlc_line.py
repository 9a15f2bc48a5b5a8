"""The line between a meter with HDLC and its gateway, with what real lines do to frames. No I/O.

What happens to a frame depends on how many went over the connection before it, so that runs are alike.
"""

from .quirks import Quirk

# Primes above the longest window, so that no frame that is sent again meets the same again and again.
_LOST_IN_REQUESTS = 17
_LOST_IN_ANSWERS = 13
_DAMAGED_IN_ANSWERS = 11
_REPEATED_IN_ANSWERS = 3

_NOISE = (
    b"\x00",
    b"\xff\x55\x13\x00",
    # A flag, and what looks like the start of a long frame.
    b"\x7e\xa7\xff\x03",
    b"\x7e\xa0",
    b"\x41\x54\x0d\x0a",
)


class Line:
    """What happens to the frames of one connection, by the ``quirks`` of the meter that each is for."""

    __slots__ = ("_received", "_sent")

    def __init__(self) -> None:
        self._received = 0
        self._sent = 0

    def loses_request(self, quirks: frozenset[Quirk]) -> bool:
        """Whether the next frame from the client does not reach the meter."""
        self._received += 1
        return Quirk.HDLC_LOST_FRAMES in quirks and self._received % _LOST_IN_REQUESTS == 7

    def carry(self, frame: bytes, quirks: frozenset[Quirk]) -> bytes:
        """The octets that arrive when the meter sends ``frame``."""
        self._sent += 1
        if not quirks:
            return frame
        if Quirk.HDLC_LOST_FRAMES in quirks and self._sent % _LOST_IN_ANSWERS == 4:
            return b""
        if Quirk.HDLC_BAD_FCS in quirks and self._sent % _DAMAGED_IN_ANSWERS == 3:
            frame = frame[:-2] + bytes((frame[-2] ^ 0x01,)) + frame[-1:]
        elif Quirk.HDLC_REPEATED_FRAMES in quirks and self._sent % _REPEATED_IN_ANSWERS == 0:
            frame += frame
        if Quirk.HDLC_NOISE in quirks:
            frame = _NOISE[self._sent % len(_NOISE)] + frame
        return frame
