"""Wrapper frames in what a meter sends, over TCP or UDP (Green Book 7.3)."""

from osgp.protocol_dlms.push.errors import PushFault
from osgp.protocol_dlms.push.message import Framing
from osgp.protocol_dlms.push.pieces import APDU_STARTS, NO_START, Found, Need, Piece, Refusal, Scan
from osgp.protocol_dlms.transport import wrapper

START = 0x00


def scan_wrapper(buffer: bytearray) -> Scan:
    """Look for a wrapper frame at the start of ``buffer``.

    All wPorts are good: those of pushes are not those of sessions. The header has no checksum, so the APDU
    has to begin as one that is pushed.
    """
    yield Need(2)
    if buffer[1] != wrapper.VERSION:
        return NO_START
    yield Need(wrapper.HEADER.size)
    _, source, destination, length = wrapper.HEADER.unpack_from(buffer)
    if not length:
        return Refusal(wrapper.HEADER.size, PushFault.MALFORMED, "A wrapper without an APDU.", delimited=True)
    yield Need(wrapper.HEADER.size + 1)
    if buffer[wrapper.HEADER.size] not in APDU_STARTS:
        text = f"A wrapper with an APDU of tag {buffer[wrapper.HEADER.size]:02X}."
        return Refusal(1, PushFault.UNKNOWN_FORM, text)
    size = wrapper.HEADER.size + length
    yield Need(size, skip=wrapper.HEADER.size)
    octets = bytes(buffer[:size])
    return Found(size, Piece(Framing.WRAPPER, octets, octets[wrapper.HEADER.size :], source, destination))
