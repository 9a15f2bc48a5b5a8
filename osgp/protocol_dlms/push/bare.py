"""APDUs without any framing in what a meter sends, as over RS485 or a modem.

Their own lengths say where they end. Notifications have none: their values are gone through one by one.
None of them has a checksum either, so they are recognised by more than their first octet.
"""

from collections.abc import Generator

from osgp.protocol_dlms.axdr_types import FIXED_SIZES
from osgp.protocol_dlms.data import DataType
from osgp.protocol_dlms.push.errors import PushFault
from osgp.protocol_dlms.push.message import Framing
from osgp.protocol_dlms.push.pieces import NO_START, Found, Need, Piece, Refusal, Scan

Location = Generator[Need, None, int]
"""A scan that returns the position of an end. Raises :class:`_Broken`."""

BLOCK_HEADER_SIZE = 6
"""Tag, control, block number, number acknowledged."""
SYSTEM_TITLE_SIZES = (0, 8)
"""Some meters leave their system title out."""
LEAST_PROTECTED = 5
"""Security control and invocation counter."""

_INVOKE_ID_END = 5
_RESERVED_INVOKE_ID_BITS = 0x0F
_DATE_TIME_SIZES = (0, 4, 5, 12)
_DATE_TIME_SIZE = 12
_PRESENT = 0x01
_DESCRIPTOR_SIZE = 9
"""Class, logical name and attribute, without tags."""

_COUNTED = (DataType.ARRAY, DataType.STRUCTURE)
_IN_OCTETS = (DataType.OCTET_STRING, DataType.VISIBLE_STRING, DataType.UTF8_STRING)
_PAIR = bytes((DataType.STRUCTURE, 2))


class _Broken(Exception):
    """The octets are no such APDU."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.text)
        self.refusal = refusal


def _make_broken(position: int, text: str) -> _Broken:
    """Return the error of an APDU that cannot go on like this at ``position``."""
    return _Broken(Refusal(position, PushFault.MALFORMED, text))


def scan_ciphered(buffer: bytearray, start: int = 0) -> Scan:
    """Look for general-glo-ciphering at ``start``. What stands before is no part of the APDU."""
    return (yield from _scan(buffer, start, _locate_ciphered(buffer, start)))


def scan_block(buffer: bytearray) -> Scan:
    """Look for a block of general-block-transfer at the start of ``buffer``."""
    return (yield from _scan(buffer, 0, _locate_block(buffer)))


def scan_data_notification(buffer: bytearray) -> Scan:
    """Look for a data-notification at the start of ``buffer``."""
    return (yield from _scan(buffer, 0, _locate_data_notification(buffer)))


def scan_event_notification(buffer: bytearray) -> Scan:
    """Look for an event-notification-request at the start of ``buffer``."""
    return (yield from _scan(buffer, 0, _locate_event_notification(buffer)))


def _scan(buffer: bytearray, start: int, location: Location) -> Scan:
    try:
        end = yield from location
    except _Broken as broken:
        return broken.refusal
    octets = bytes(buffer[:end])
    return Found(end, Piece(Framing.NONE, octets, octets[start:]))


def _locate_ciphered(buffer: bytearray, start: int) -> Location:
    yield Need(start + 2)
    if buffer[start + 1] not in SYSTEM_TITLE_SIZES:
        raise _Broken(NO_START)
    protected_at = start + 2 + buffer[start + 1]
    size, position = yield from _read_length(buffer, protected_at, skip=1)
    if size < LEAST_PROTECTED:
        raise _make_broken(position, "A ciphered APDU without a security header.")
    yield Need(position + size, skip=position)
    return position + size


def _locate_block(buffer: bytearray) -> Location:
    yield Need(BLOCK_HEADER_SIZE)
    number, acknowledged = buffer[2:4], buffer[4:6]
    if not any(number) or any(acknowledged):
        raise _Broken(NO_START)
    size, position = yield from _read_length(buffer, BLOCK_HEADER_SIZE, skip=1)
    yield Need(position + size, skip=position)
    return position + size


def _locate_data_notification(buffer: bytearray) -> Location:
    yield Need(_INVOKE_ID_END + 1)
    if buffer[1] & _RESERVED_INVOKE_ID_BITS:
        raise _Broken(NO_START)
    size_at = _INVOKE_ID_END
    if buffer[size_at] == DataType.OCTET_STRING:
        # A tag too many, as meters in Norway and Sweden send it.
        size_at += 1
        yield Need(size_at + 1)
    if buffer[size_at] not in _DATE_TIME_SIZES:
        raise _Broken(NO_START)
    body_at = size_at + 1 + buffer[size_at]
    yield Need(body_at + 2)
    if buffer[body_at] not in _COUNTED:
        raise _Broken(NO_START)
    if (yield from _has_bare_descriptors(buffer, body_at)):
        return (yield from _locate_described(buffer, body_at))
    return (yield from _locate_values(buffer, body_at, 1))


def _locate_event_notification(buffer: bytearray) -> Location:
    yield Need(2)
    descriptor_at = 2
    if buffer[1]:
        # Meters send the tag of an octet-string where there should be the mark of an optional field.
        yield Need(3)
        if buffer[1] not in (_PRESENT, DataType.OCTET_STRING) or buffer[2] != _DATE_TIME_SIZE:
            raise _Broken(NO_START)
        descriptor_at = 3 + _DATE_TIME_SIZE
    value_at = descriptor_at + _DESCRIPTOR_SIZE
    yield Need(value_at + 1)
    if buffer[descriptor_at]:
        raise _Broken(NO_START)
    return (yield from _locate_values(buffer, value_at, 1))


def _has_bare_descriptors(buffer: bytearray, start: int) -> Generator[Need, None, bool]:
    """Whether the body is no A-XDR: {enum, array of {descriptor without tags, value}}.

    Looks at no more octets than the shortest A-XDR body has that begins alike.
    """
    if not buffer.startswith(_PAIR, start):
        return False
    yield Need(start + 3)
    if buffer[start + 2] != DataType.ENUM:
        return False
    yield Need(start + 5)
    if buffer[start + 4] != DataType.ARRAY:
        return False
    yield Need(start + 6)
    if not buffer[start + 5]:
        return False
    yield Need(start + 7)
    if buffer[start + 6] != DataType.STRUCTURE:
        return False
    yield Need(start + 9)
    # Classes are below 256: their first octet is 0, which A-XDR would call null-data.
    return buffer[start + 7 : start + 9] == b"\x02\x00"


def _locate_described(buffer: bytearray, start: int) -> Location:
    """Return the end of a body with descriptors without tags."""
    position = start + 6
    for _ in range(buffer[start + 5]):
        yield Need(position + len(_PAIR) + _DESCRIPTOR_SIZE, skip=position)
        if not buffer.startswith(_PAIR, position):
            raise _make_broken(position, "A list of descriptors and values that ends early.")
        position = yield from _locate_values(buffer, position + len(_PAIR) + _DESCRIPTOR_SIZE, 1)
    return position


def _locate_values(buffer: bytearray, position: int, count: int) -> Location:
    """Return the end of ``count`` A-XDR values at ``position``. Each has one octet at least.

    Yields only when octets are missing, and counts elements instead of nesting them, so that one octet costs
    no more than one step.
    """
    while count:
        if len(buffer) < position + count:
            yield Need(position + count, skip=position)
        tag = buffer[position]
        count -= 1
        start = position
        position += 1
        size = FIXED_SIZES.get(tag)
        if size is None:
            if tag == DataType.COMPACT_ARRAY:
                position = yield from _locate_description(buffer, position)
            elif tag not in _COUNTED and tag not in _IN_OCTETS and tag != DataType.BIT_STRING:
                raise _make_broken(position, "A notification with a value of unknown type.")
            size, position = yield from _read_length(buffer, position, skip=start + 1)
            if tag in _COUNTED:
                count += size
                continue
            if tag == DataType.BIT_STRING:
                size = (size + 7) // 8
        if len(buffer) < position + size + count:
            yield Need(position + size + count, skip=position)
        position += size
    return position


def _locate_description(buffer: bytearray, position: int) -> Location:
    """Return the end of the type description of a compact array at ``position``."""
    count = 1
    while count:
        if len(buffer) < position + count:
            yield Need(position + count, skip=position)
        tag = buffer[position]
        position += 1
        if tag == DataType.ARRAY:
            # The number of elements, of two octets, and the description of one.
            yield Need(position + 2, skip=position)
            position += 2
            continue
        count -= 1
        if tag == DataType.STRUCTURE:
            size, position = yield from _read_length(buffer, position, skip=position)
            count += size
    return position


def _read_length(buffer: bytearray, position: int, *, skip: int) -> Generator[Need, None, tuple[int, int]]:
    """Return the length at ``position``, of one octet and at most four more, and the position after it."""
    yield Need(position + 1, skip=skip)
    size = buffer[position]
    position += 1
    if size < 0x80:
        return size, position
    octets = size & 0x7F
    if not 1 <= octets <= 4:
        raise _make_broken(skip, "An APDU with a length of impossible size.")
    yield Need(position + octets, skip=skip)
    return int.from_bytes(buffer[position : position + octets], "big"), position + octets
