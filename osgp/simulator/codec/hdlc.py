"""HDLC frames (Green Book "Data link layer using the HDLC protocol", IEC 62056-46), frame format type 3."""

import binascii
from enum import IntEnum
from typing import NamedTuple

from .errors import LocalProtocolError, RemoteProtocolError

FLAG = 0x7E
MAXIMUM_FRAME = 0x7FF
"""Octets between the flags that the frame format field can tell."""

LLC_COMMAND = bytes.fromhex("E6E600")
LLC_RESPONSE = bytes.fromhex("E6E700")

DEFAULT_INFORMATION_FIELD = 128
MAXIMUM_INFORMATION_FIELD = 2_030
MINIMUM_INFORMATION_FIELD = 32
MAXIMUM_WINDOW = 7

_FORMAT_TYPE = 0xA0
_SEGMENTED = 0x08
_POLL_FINAL = 0x10
_FORMAT_IDENTIFIER = 0x81
_GROUP_IDENTIFIER = 0x80
_MAXIMUM_GARBAGE = 65_536

_REVERSED = bytes(int(f"{octet:08b}"[::-1], 2) for octet in range(256))


class Control(IntEnum):
    """Control fields of unnumbered frames, with the poll/final bit."""

    SNRM = 0x93
    DISC = 0x53
    UA = 0x73
    DM = 0x1F
    FRMR = 0x97
    UI = 0x13


MORE_UI_FOLLOWS = 0x03
"""A UI frame without the poll/final bit: further segments come."""


class Frame(NamedTuple):
    """One frame. Addresses as they are on the wire; ``segmented`` when the information goes on in the next
    frame."""

    destination: bytes
    source: bytes
    control: int
    information: bytes = b""
    segmented: bool = False

    @property
    def is_information(self) -> bool:
        """Whether it is an I frame."""
        return not self.control & 0x01

    @property
    def is_receive_ready(self) -> bool:
        """Whether it is an RR frame."""
        return self.control & 0x0F == 0x01

    @property
    def polls(self) -> bool:
        """Whether it has the poll bit: the other side answers then, and only then."""
        return bool(self.control & _POLL_FINAL)

    @property
    def send_number(self) -> int:
        """N(S) of an I frame."""
        return self.control >> 1 & 0x07

    @property
    def receive_number(self) -> int:
        """N(R) of an I or RR frame."""
        return self.control >> 5 & 0x07


def information_control(send_number: int, receive_number: int, final: bool = True) -> int:
    """The control field of an I frame, with the poll/final bit unless more frames follow in the window."""
    return receive_number << 5 | (_POLL_FINAL if final else 0) | send_number << 1


def receive_ready_control(receive_number: int) -> int:
    """The control field of an RR frame with the poll/final bit."""
    return receive_number << 5 | _POLL_FINAL | 0x01


def receive_not_ready_control(receive_number: int) -> int:
    """The control field of an RNR frame with the poll/final bit."""
    return receive_number << 5 | _POLL_FINAL | 0x05


def checksum(octets: bytes) -> bytes:
    """FCS and HCS: the CRC of ISO/IEC 13239, least significant octet first.

    It takes the bits of each octet in reverse of the CRC that the standard library computes.
    """
    crc = binascii.crc_hqx(octets.translate(_REVERSED), 0xFFFF) ^ 0xFFFF
    return bytes((_REVERSED[crc >> 8], _REVERSED[crc & 0xFF]))


def encode_frame(frame: Frame) -> bytes:
    """The frame between its flags."""
    header_length = 2 + len(frame.destination) + len(frame.source) + 1
    length = header_length + 2 + (len(frame.information) + 2 if frame.information else 0)
    if length > MAXIMUM_FRAME:
        raise LocalProtocolError(f"{len(frame.information)} octets of information do not fit a frame")
    format_field = _FORMAT_TYPE | (_SEGMENTED if frame.segmented else 0) | length >> 8
    octets = bytes((format_field, length & 0xFF)) + frame.destination + frame.source + bytes((frame.control,))
    octets += checksum(octets)
    if frame.information:
        octets += frame.information
        octets += checksum(octets)
    return b"\x7e" + octets + b"\x7e"


def encode_push(destination: bytes, source: bytes, information: bytes, size: int) -> bytes:
    """UI frames that bring ``information`` unasked, in segments of at most ``size`` octets."""
    frames = b""
    for start in range(0, len(information), size):
        more = start + size < len(information)
        control = MORE_UI_FOLLOWS if more else Control.UI
        part = information[start : start + size]
        frames += encode_frame(Frame(destination, source, control, part, segmented=more))
    return frames


def _take_address(octets: bytes, offset: int) -> bytes:
    """The address at ``offset``: up to and including the octet whose lowest bit is set; 1, 2 or 4 octets."""
    for size in (1, 2, 4):
        end = offset + size
        if end <= len(octets) and octets[end - 1] & 1:
            if any(octet & 1 for octet in octets[offset : end - 1]):
                break
            return octets[offset:end]
    raise RemoteProtocolError("an HDLC address is malformed")


def decode_frame(octets: bytes) -> Frame:
    """The frame in ``octets``, which lie between two flags; RemoteProtocolError when it or a checksum is
    wrong."""
    if len(octets) < 7 or checksum(octets[:-2]) != octets[-2:]:
        raise RemoteProtocolError("the FCS of a frame is wrong")
    destination = _take_address(octets, 2)
    source = _take_address(octets, 2 + len(destination))
    header = 2 + len(destination) + len(source) + 1
    if len(octets) < header + 2:
        raise RemoteProtocolError("a frame has no control field")
    control = octets[header - 1]
    segmented = bool(octets[0] & _SEGMENTED)
    if len(octets) == header + 2:
        return Frame(destination, source, control, b"", segmented)
    if len(octets) < header + 5 or checksum(octets[:header]) != octets[header : header + 2]:
        raise RemoteProtocolError("the HCS of a frame is wrong")
    return Frame(destination, source, control, octets[header + 2 : -2], segmented)


class FrameDecoder:
    """Cuts a TCP stream, in whatever pieces it arrives, into HDLC frames.

    Frames with a wrong checksum and octets that belong to no frame are dropped, as HDLC has it; a peer that
    sends nothing but those ends in RemoteProtocolError.
    """

    __slots__ = ("_buffer", "_dropped")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._dropped = 0

    def receive_data(self, data: bytes) -> None:
        """Take the next octets of the stream."""
        self._buffer += data

    def take_frame(self) -> Frame | None:
        """The next good frame, or None until more data arrives."""
        buffer = self._buffer
        while True:
            start = buffer.find(FLAG)
            if start < 0:
                self._drop(len(buffer))
                return None
            while len(buffer) > start + 1 and buffer[start + 1] == FLAG:
                start += 1
            if len(buffer) < start + 3:
                self._drop(start)
                return None
            length = (buffer[start + 1] & 0x07) << 8 | buffer[start + 2]
            end = start + 1 + length
            if buffer[start + 1] & 0xF0 != _FORMAT_TYPE or length < 7:
                self._drop(start + 1)
                continue
            if len(buffer) <= end:
                self._drop(start)
                return None
            if buffer[end] != FLAG:
                self._drop(start + 1)
                continue
            octets = bytes(buffer[start + 1 : end])
            # The closing flag may be the opening flag of the next frame.
            del buffer[:end]
            try:
                frame = decode_frame(octets)
            except RemoteProtocolError:
                self._dropped += len(octets)
                self._drop(0)
                continue
            self._dropped = 0
            return frame

    def _drop(self, octets: int) -> None:
        del self._buffer[:octets]
        self._dropped += octets
        if self._dropped > _MAXIMUM_GARBAGE:
            raise RemoteProtocolError("the stream holds no HDLC frames")


class LinkParameters(NamedTuple):
    """What one side can send and receive: octets in one information field, and frames before it needs an
    acknowledgement."""

    transmit: int = DEFAULT_INFORMATION_FIELD
    receive: int = DEFAULT_INFORMATION_FIELD
    transmit_window: int = 1
    receive_window: int = 1

    def agree(self, most: int) -> "LinkParameters":
        """What a station that takes and sends at most ``most`` octets, and any window, agrees to: what this
        one sends, it receives, and the other way round."""
        return LinkParameters(
            min(self.receive, most), min(self.transmit, most), self.receive_window, self.transmit_window
        )


def decode_parameters(information: bytes) -> LinkParameters:
    """The parameters in an SNRM or UA; whatever is left out has its default."""
    if not information:
        return LinkParameters()
    if information[:2] != bytes((_FORMAT_IDENTIFIER, _GROUP_IDENTIFIER)) or len(information) < 3:
        raise RemoteProtocolError("the link parameters are malformed")
    offset, values = 3, {}
    while offset + 2 <= len(information):
        identifier, size = information[offset], information[offset + 1]
        values[identifier] = int.from_bytes(information[offset + 2 : offset + 2 + size], "big")
        offset += 2 + size
    if offset != len(information) or information[2] != len(information) - 3:
        raise RemoteProtocolError("the link parameters are malformed")

    def measure_field(identifier: int) -> int:
        value = values.get(identifier, DEFAULT_INFORMATION_FIELD)
        return min(max(value, MINIMUM_INFORMATION_FIELD), MAXIMUM_INFORMATION_FIELD)

    def measure_window(identifier: int) -> int:
        return min(max(values.get(identifier, 1), 1), MAXIMUM_WINDOW)

    return LinkParameters(measure_field(5), measure_field(6), measure_window(7), measure_window(8))


def encode_parameters(parameters: LinkParameters) -> bytes:
    """The parameters as they stand in a UA."""

    def size(identifier: int, value: int) -> bytes:
        octets = value.to_bytes(1 if value < 256 else 2, "big")
        return bytes((identifier, len(octets))) + octets

    def window(identifier: int, value: int) -> bytes:
        return bytes((identifier, 4)) + value.to_bytes(4, "big")

    values = size(5, parameters.transmit) + size(6, parameters.receive)
    values += window(7, parameters.transmit_window) + window(8, parameters.receive_window)
    return bytes((_FORMAT_IDENTIFIER, _GROUP_IDENTIFIER, len(values))) + values


def upper_address(address: bytes) -> int:
    """The upper HDLC address in an address of 1, 2 or 4 octets: for a server its logical device."""
    if len(address) == 4:
        return address[0] >> 1 << 7 | address[1] >> 1
    return address[0] >> 1


def is_all_station(address: bytes) -> bool:
    """Whether the upper or the lower address means all stations, which is nobody's own."""
    if len(address) == 4:
        return b"\xfe\xfe" in (address[:2], bytes((address[2], address[3] & 0xFE)))
    return any(octet | 1 == 0xFF for octet in address)
