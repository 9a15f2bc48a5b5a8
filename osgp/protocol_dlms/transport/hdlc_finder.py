"""Finds HDLC frames among noise. No I/O.

Octets before a flag are skipped. What follows a flag is a frame if its format, its addresses, its header
check sequence, its closing flag and its frame check sequence are right; else the search goes on at the next
flag, which may be inside of what looked like a frame (Green Book 8.4.3; ISO/IEC 13239, 4.9).
"""

from osgp.protocol_dlms.errors import IllegalResponse
from osgp.protocol_dlms.transport import hdlc
from osgp.protocol_dlms.transport.hdlc import Frame

MAX_NOISE = 16 * 1024
"""Octets that may be thrown away, as no part of a frame, before the link gets on."""

_FORMAT_END = 3
"""Position after the opening flag and the format field."""
_CHECK_SIZE = 2
_SHORTEST_FRAME = 7
_ADDRESS_SIZES = (1, 2, 4)


class FrameFinder:
    """Takes octets as they arrive, and gives frames.

    ``noise`` counts the octets thrown away, ``is_damaged`` says that a frame was damaged, ``complaint`` how;
    whoever uses the finder resets them.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.noise = 0
        self.is_damaged = False
        self.complaint = ""

    def feed(self, octets: bytes) -> None:
        """Take the next octets of the stream."""
        self._buffer += octets

    def clear(self) -> None:
        """Forget the octets of which no frame was made yet."""
        self._buffer.clear()

    @property
    def is_inside_frame(self) -> bool:
        """Whether the first octets of a frame are here; true right after :meth:`take` found no whole one."""
        return len(self._buffer) >= _FORMAT_END

    def take(self) -> Frame | None:
        """Return the next frame, None until more octets are here.

        Raises :class:`IllegalResponse` after more than ``MAX_NOISE`` octets of noise.
        """
        buffer = self._buffer
        while True:
            start = buffer.find(hdlc.FLAG)
            if start < 0:
                self._drop(len(buffer))
                return None
            # A closing flag may also be the opening flag of the next frame: there may be any number.
            while len(buffer) > start + 1 and buffer[start + 1] == hdlc.FLAG:
                start += 1
            if start:
                self._drop(start)
            if len(buffer) < _FORMAT_END:
                return None
            length = (buffer[1] & hdlc.LENGTH_MASK) << 8 | buffer[2]
            if buffer[1] & hdlc.FORMAT_TYPE_MASK != hdlc.FORMAT_TYPE or length < _SHORTEST_FRAME:
                self._drop(1)
                continue
            if len(buffer) <= length + 1:
                if self._may_become_frame(length):
                    return None
                self._drop(1)
                continue
            if buffer[length + 1] != hdlc.FLAG:
                self._drop(1)
                continue
            try:
                frame = hdlc.decode(bytes(buffer[1 : length + 1]))
            except IllegalResponse as error:
                self.is_damaged = True
                self.complaint = error.message
                self._drop(1)
                continue
            del buffer[: length + 1]
            return frame

    def give_up_partial(self) -> bool:
        """Give up the frame of which only a part has arrived; return whether there was one.

        There may be whole frames behind its flag.
        """
        if not self.is_inside_frame:
            return False
        self.is_damaged = True
        self.complaint = "an HDLC frame of which octets are missing"
        self._drop(1)
        return True

    def _may_become_frame(self, length: int) -> bool:
        """Whether the part that is here may be the start of a frame: a wrong header is not waited for.

        Else noise that looks like a format field would swallow the frames behind it.
        """
        buffer = self._buffer
        position = _FORMAT_END
        for _ in range(2):
            end = position
            while end < len(buffer) and not buffer[end] & 0x01:
                end += 1
            size = end - position + 1
            if end == len(buffer):
                return size <= max(_ADDRESS_SIZES)
            if size not in _ADDRESS_SIZES:
                return False
            position = end + 1
        information = position + 1 + _CHECK_SIZE
        if information > length + 1:
            return False
        if len(buffer) < information:
            return True
        check_sequence = hdlc.compute_check_sequence(bytes(buffer[1 : position + 1]))
        return buffer[position + 1 : information] == check_sequence

    def _drop(self, size: int) -> None:
        del self._buffer[:size]
        self.noise += size
        if self.noise > MAX_NOISE:
            raise IllegalResponse(f"no HDLC frame in {MAX_NOISE} octets")
