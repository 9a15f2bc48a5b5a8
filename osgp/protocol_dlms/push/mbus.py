"""Long frames of the wired M-Bus in what a meter sends (EN 13757-2; as on customer ports in Austria)."""

from osgp.protocol_dlms.push.errors import PushFault
from osgp.protocol_dlms.push.message import Framing
from osgp.protocol_dlms.push.pieces import NO_START, Found, Need, Piece, Refusal, Scan

START = 0x68
STOP = 0x16
LAST_SEGMENT = 0x10
SEGMENT_NUMBER_MASK = 0x0F
SEND_USER_DATA = 0x53
FRAME_COUNT_BIT = 0x20
_LENGTHS_END = 4
"""Position after start, length, length, start: from here the length counts, and the checksum."""
_CONTROL_AT, _SEGMENT_AT, _STSAP_AT, _DTSAP_AT, _PAYLOAD_AT = 4, 6, 7, 8, 9
_LEAST_LENGTH = _PAYLOAD_AT - _LENGTHS_END
_TRAILER = 2
_WRAP = 256


def scan_mbus(buffer: bytearray) -> Scan:
    """Look for an M-Bus long frame at the start of ``buffer``.

    Some meters send more than fits the octet of the length and announce the rest modulo 256: where the frame
    does not end after the length, 256 more are tried.
    """
    yield Need(_LENGTHS_END)
    if buffer[1] != buffer[2] or buffer[3] != START:
        return NO_START
    yield Need(_SEGMENT_AT + 1)
    segment = buffer[_SEGMENT_AT]
    is_push = not segment & ~(LAST_SEGMENT | SEGMENT_NUMBER_MASK)
    if not is_push or buffer[_CONTROL_AT] & ~FRAME_COUNT_BIT != SEND_USER_DATA:
        return Refusal(1, PushFault.UNKNOWN_FORM, "An M-Bus frame that carries no push.", frame_broke=True)
    announced = buffer[1]
    mismatch = None
    for length in (announced, announced + _WRAP):
        if length < _LEAST_LENGTH:
            continue
        size = _LENGTHS_END + length + _TRAILER
        yield Need(size, skip=_STSAP_AT, settled=mismatch, rescan=True)
        if buffer[size - 1] != STOP:
            continue
        payload_end = size - _TRAILER
        if sum(buffer[_LENGTHS_END:payload_end]) & 0xFF == buffer[payload_end]:
            return _find(bytes(buffer[:size]))
        text = "An M-Bus frame whose checksum does not match."
        mismatch = mismatch or Refusal(size, PushFault.BAD_CHECKSUM, text, delimited=True, frame_broke=True)
    text = "An M-Bus frame of which octets are missing."
    return mismatch or Refusal(_PAYLOAD_AT, PushFault.TRUNCATED, text, frame_broke=True)


def _find(octets: bytes) -> Found:
    segment = octets[_SEGMENT_AT]
    number = segment & SEGMENT_NUMBER_MASK
    piece = Piece(
        Framing.MBUS,
        octets,
        octets[_PAYLOAD_AT:-_TRAILER],
        octets[_STSAP_AT],
        octets[_DTSAP_AT],
        number,
        first=not number,
        last=bool(segment & LAST_SEGMENT),
    )
    return Found(len(octets), piece)
