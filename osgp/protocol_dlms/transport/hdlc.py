"""HDLC frames: frame format type 3 with addresses, control field and check sequences (Green Book 8.4).

Pure functions on octets; :mod:`hdlc_reader` finds frames in a stream, :mod:`hdlc_link` sends them.
"""

from binascii import crc_hqx
from enum import IntEnum
from typing import NamedTuple

from osgp.protocol_dlms.errors import IllegalResponse

FLAG = 0x7E
FORMAT_TYPE = 0xA0
FORMAT_TYPE_MASK = 0xF0
SEGMENTATION_BIT = 0x08
LENGTH_MASK = 0x07
MAX_FRAME_LENGTH = 0x7FF
POLL_FINAL = 0x10

LLC_COMMAND = b"\xe6\xe6\x00"
LLC_RESPONSE = b"\xe6\xe7\x00"


class Control(IntEnum):
    """Control fields of unnumbered and supervisory frames, without the poll/final bit."""

    SNRM = 0x83
    UA = 0x63
    DISC = 0x43
    DM = 0x0F
    FRMR = 0x87
    UI = 0x03
    RR = 0x01
    RNR = 0x05


class Frame(NamedTuple):
    """A frame between its flags."""

    destination: bytes
    source: bytes
    control: int
    information: bytes
    segmented: bool

    @property
    def is_information(self) -> bool:
        return not self.control & 0x01

    @property
    def is_final(self) -> bool:
        return bool(self.control & POLL_FINAL)

    @property
    def send_sequence(self) -> int:
        return (self.control >> 1) & 0x07

    @property
    def receive_sequence(self) -> int:
        return self.control >> 5

    @property
    def unnumbered(self) -> int:
        """The control field of an unnumbered frame without its poll/final bit."""
        return self.control & ~POLL_FINAL

    @property
    def is_receive_ready(self) -> bool:
        return self.control & 0x0F == Control.RR

    @property
    def is_receive_not_ready(self) -> bool:
        return self.control & 0x0F == Control.RNR


_MIRROR = bytes(int(f"{octet:08b}"[::-1], 2) for octet in range(256))


def compute_check_sequence(octets: bytes) -> bytes:
    """Return the HCS or FCS: the CRC-16 of ISO/IEC 13239, least significant octet first."""
    # The same CRC as crc_hqx, which is written in C, but for the order of bits in the octets.
    crc = crc_hqx(octets.translate(_MIRROR), 0xFFFF) ^ 0xFFFF
    return crc.to_bytes(2, "big").translate(_MIRROR)


def encode_client_address(client: int) -> bytes:
    """Return the address of a client, 1 to 127, in one octet."""
    return bytes((client << 1 | 1,))


def encode(destination: bytes, source: bytes, control: int, information: bytes, *, segmented: bool) -> bytes:
    """Return a whole frame with flags and check sequences."""
    length = 2 + len(destination) + len(source) + 1 + 2 + (len(information) + 2 if information else 0)
    format_field = (FORMAT_TYPE << 8) | (SEGMENTATION_BIT << 8 if segmented else 0) | length
    header = format_field.to_bytes(2, "big") + destination + source + bytes((control,))
    body = header + compute_check_sequence(header)
    if information:
        body += information
        body += compute_check_sequence(body)
    return b"\x7e" + body + b"\x7e"


def parse_frame_length(format_field: bytes) -> int:
    """Return the frame length in the format field, the first two octets after the flag.

    Raises :class:`IllegalResponse` unless it is of format type 3 and at least 7.
    """
    if format_field[0] & FORMAT_TYPE_MASK != FORMAT_TYPE:
        raise IllegalResponse("not an HDLC frame of format type 3")
    length = (format_field[0] & LENGTH_MASK) << 8 | format_field[1]
    if length < 7:
        raise IllegalResponse("an HDLC frame too short to be one")
    return length


def decode(body: bytes) -> Frame:
    """Decode the octets between two flags.

    Raises :class:`IllegalResponse` if the frame is malformed or a check sequence does not match.
    """
    if len(body) != parse_frame_length(body):
        raise IllegalResponse("an HDLC frame of another length than it says")
    destination, position = _parse_address(body, 2)
    source, position = _parse_address(body, position)
    if position + 3 > len(body):
        raise IllegalResponse("an HDLC frame cut short")
    control = body[position]
    position += 1
    if compute_check_sequence(body[:-2]) != body[-2:]:
        raise IllegalResponse("the frame check sequence of an HDLC frame does not match")
    information = b""
    if position + 2 != len(body):
        if (
            position + 4 > len(body)
            or compute_check_sequence(body[:position]) != body[position : position + 2]
        ):
            raise IllegalResponse("the header check sequence of an HDLC frame does not match")
        information = body[position + 2 : -2]
    return Frame(destination, source, control, information, bool(body[0] & SEGMENTATION_BIT))


def _parse_address(body: bytes, start: int) -> tuple[bytes, int]:
    """Return an address of one, two or four octets, the last with bit 0 set, and the position after it."""
    for end in range(start + 1, min(start + 4, len(body)) + 1):
        if body[end - 1] & 0x01:
            if end - start == 3:
                break
            return body[start:end], end
    raise IllegalResponse("an HDLC address of impossible length")
