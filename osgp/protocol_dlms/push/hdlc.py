"""HDLC frames in what a meter sends: UI frames, and I frames from meters that number them 0 every time.

The length in the format field says where a frame ends: a flag may stand inside it, and the flag that ends it
may begin the next one. There is no link, so addresses and sequence numbers mean nothing (Green Book 8.4).
"""

from osgp.protocol_dlms.push.errors import PushFault
from osgp.protocol_dlms.push.message import Framing
from osgp.protocol_dlms.push.pieces import Fill, Found, Need, Piece, Refusal, Scan
from osgp.protocol_dlms.transport import hdlc

START = hdlc.FLAG
LONGEST_ADDRESS = 4
_FORMAT_END = 3
"""Position after the opening flag and the format field."""
_LONGEST_HEADER = _FORMAT_END + 2 * LONGEST_ADDRESS + 1 + 2
_CHECK_SIZE = 2


def scan_hdlc(buffer: bytearray) -> Scan:
    """Look for an HDLC frame at the start of ``buffer``, its flag. The closing flag stays in the buffer.

    A good HCS makes the length certain. With a wrong one the frame may be anything, and with a right one
    and no flag at its end, octets of it are missing: another frame may begin inside.
    """
    flag = Fill(1)
    yield Need(2, settled=flag)
    if buffer[1] & hdlc.FORMAT_TYPE_MASK != hdlc.FORMAT_TYPE:
        return flag
    yield Need(_FORMAT_END)
    length = (buffer[1] & hdlc.LENGTH_MASK) << 8 | buffer[2]
    yield Need(min(length + 1, _LONGEST_HEADER), rescan=True)
    destination, position = _read_address(buffer, _FORMAT_END, length)
    source, position = _read_address(buffer, position, length)
    information_at = position + 1 + _CHECK_SIZE
    if not destination or not source or information_at > length + 1:
        return Refusal(1, PushFault.MALFORMED, "An HDLC frame with impossible lengths.", frame_broke=True)
    header_check = hdlc.compute_check_sequence(bytes(buffer[1 : position + 1]))
    if buffer[position + 1 : information_at] != header_check:
        text = "An HDLC frame whose header check sequence does not match."
        return Refusal(1, PushFault.BAD_CHECKSUM, text, frame_broke=True)
    size = length + 1
    yield Need(size + 1, skip=information_at, rescan=True)
    if buffer[size] != hdlc.FLAG:
        text = "An HDLC frame of which octets are missing."
        return Refusal(information_at, PushFault.TRUNCATED, text, frame_broke=True)
    if information_at == size:
        # Without information the header check sequence is that of the frame.
        return Refusal(size, PushFault.UNKNOWN_FORM, "An HDLC frame without information.", delimited=True)
    octets = bytes(buffer[: size + 1])
    if hdlc.compute_check_sequence(octets[1 : size - _CHECK_SIZE]) != octets[size - _CHECK_SIZE : size]:
        text = "An HDLC frame whose frame check sequence does not match."
        return Refusal(size, PushFault.BAD_CHECKSUM, text, delimited=True, frame_broke=True)
    control = octets[position]
    if control & 0x01 and control & ~hdlc.POLL_FINAL != hdlc.Control.UI:
        text = f"An HDLC frame that carries no push: control field {control:02X}."
        return Refusal(size, PushFault.UNKNOWN_FORM, text, delimited=True)
    information = octets[information_at : size - _CHECK_SIZE]
    has_llc = information.startswith((hdlc.LLC_RESPONSE, hdlc.LLC_COMMAND))
    piece = Piece(
        Framing.HDLC,
        octets,
        information[len(hdlc.LLC_RESPONSE) :] if has_llc else information,
        int.from_bytes(source, "big"),
        int.from_bytes(destination, "big"),
        first=has_llc,
        last=not octets[1] & hdlc.SEGMENTATION_BIT,
    )
    return Found(size, piece)


def _read_address(buffer: bytearray, start: int, length: int) -> tuple[bytes, int]:
    """Return an address, the last octet of which has bit 0 set, and the position after it.

    The address is empty if it does not end within the frame or four octets. Three octets are in no book, but
    do no harm either.
    """
    for position in range(start, min(start + LONGEST_ADDRESS, length + 1)):
        if buffer[position] & 0x01:
            return bytes(buffer[start : position + 1]), position + 1
    return b"", start
