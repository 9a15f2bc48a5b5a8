"""Texts that meters send instead of APDUs: alarms of DSMR 4, and telegrams of the P1 port.

A P1 telegram may be ciphered: then its identification line is followed by general-glo-ciphering.
"""

import re

from osgp.protocol_dlms.push.bare import scan_ciphered
from osgp.protocol_dlms.push.errors import PushFault
from osgp.protocol_dlms.push.message import Framing
from osgp.protocol_dlms.push.pieces import (
    GENERAL_GLO_CIPHERING,
    NO_START,
    Fill,
    Found,
    Need,
    Piece,
    Refusal,
    Scan,
)

ALARM_STARTS = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
TELEGRAM_START = 0x2F
"""The slash."""

LINE_ENDS = b"\r\n"

_ALARM_HEAD = re.compile(rb"[0-9A-Z][0-9A-Za-z ]{16},")
_ALARM_HEAD_SIZE = 18
_WITH_REGISTER = _ALARM_HEAD_SIZE + 4
_WITH_NAME = _ALARM_HEAD_SIZE + 6
_LAST_OF_NAMES = 0xFF
"""Value group F of the logical names that are pushed."""
_NEXT_MESSAGE = re.compile(
    rb"\x7e[\x7e\xa0-\xaf]|\x68.|\x00\x01|\x0f.|\xdb[\x00\x08]|\xe0.|\xc2[\x00\x01\x09]"
    rb"|/[A-Za-z]|[0-9A-Z][0-9A-Za-z ]",
    re.DOTALL,
)
"""Two octets that may begin another message."""

_TELEGRAM_HEAD = re.compile(rb"/[A-Za-z]{3}[0-9]")
_TELEGRAM_HEAD_SIZE = 5
_IDENTIFICATION = re.compile(rb"/[^\r\n]{4,64}(?:\r\n){1,2}")
_END = b"\n!"
_END_OF_TEXT = re.compile(_END + rb"|[^\t\r\n -~]")
_CRC = re.compile(rb"[0-9A-Fa-f]{4}")
_CRC_SIZE = 4


def scan_line_end(buffer: bytearray) -> Scan:
    """Pass over the end of a line after a telegram."""
    yield Need(1)
    return Fill(1)


def scan_alarm(buffer: bytearray) -> Scan:
    """Look for an alarm of DSMR 4: 17 characters, a comma, and an alarm register or a logical name.

    Nothing tells which of the two follows, or how long it is. Six octets are a name if the sixth ends one, or
    if the last two begin no other message. Four are known to be a register when the sender makes a pause.
    """
    yield Need(_ALARM_HEAD_SIZE)
    if not _ALARM_HEAD.match(buffer):
        return NO_START
    yield Need(_WITH_REGISTER)
    with_register = _find_text(buffer, _WITH_REGISTER)
    yield Need(_WITH_NAME, settled=with_register)
    if buffer[_WITH_NAME - 1] == _LAST_OF_NAMES or not _NEXT_MESSAGE.match(buffer, _WITH_REGISTER):
        return _find_text(buffer, _WITH_NAME)
    return with_register


def scan_telegram(buffer: bytearray) -> Scan:
    """Look for a P1 telegram: from the slash to the exclamation mark and its CRC, if there is one."""
    yield Need(_TELEGRAM_HEAD_SIZE)
    if not _TELEGRAM_HEAD.match(buffer):
        return NO_START
    position = _TELEGRAM_HEAD_SIZE
    while True:
        # From the octet before: the end of a line may have been the last one that was there.
        found = _END_OF_TEXT.search(buffer, position - 1)
        if found and found.group() == _END:
            return (yield from _scan_end(buffer, found.end() - 1))
        if found:
            return (yield from _scan_ciphered(buffer, found.start()))
        position = len(buffer)
        yield Need(position + 1, skip=_keep_start(position))


def _scan_end(buffer: bytearray, mark: int) -> Scan:
    """Look at what follows the exclamation mark at ``mark``."""
    end = mark + 1
    without_crc = _find_text(buffer, end)
    yield Need(end + 1, skip=end, settled=without_crc)
    if buffer[end] in LINE_ENDS:
        return without_crc
    yield Need(end + _CRC_SIZE, skip=end)
    crc = _CRC.match(buffer, end)
    if not crc:
        return Refusal(end, PushFault.MALFORMED, "A P1 telegram without an end of its last line.")
    if int(crc.group(), 16) == compute_crc(buffer[:end]):
        return _find_text(buffer, end + _CRC_SIZE)
    last = 0
    for anew in _TELEGRAM_HEAD.finditer(buffer, 1, end):
        last = anew.start()
    if last:
        return Refusal(last, PushFault.TRUNCATED, "A P1 telegram without its end.", delimited=True)
    text = "A P1 telegram whose CRC does not match."
    return Refusal(end + _CRC_SIZE, PushFault.BAD_CHECKSUM, text, delimited=True)


def _scan_ciphered(buffer: bytearray, start: int) -> Scan:
    """Look at the first octet that is no text, at ``start``: it may begin a ciphered APDU."""
    if buffer[start] != GENERAL_GLO_CIPHERING or not _IDENTIFICATION.fullmatch(buffer, 0, start):
        return Refusal(_keep_start(start), PushFault.MALFORMED, "A P1 telegram with octets that are no text.")
    return (yield from scan_ciphered(buffer, start))


def _keep_start(position: int) -> int:
    """How many octets to drop of a text that went wrong at ``position``: another message may begin before."""
    return max(1, position - _WITH_NAME)


def _find_text(buffer: bytearray, size: int) -> Found:
    octets = bytes(buffer[:size])
    return Found(size, Piece(Framing.NONE, octets, octets))


def _make_crc_table() -> tuple[int, ...]:
    table = []
    for octet in range(256):
        for _ in range(8):
            octet = (octet >> 1) ^ 0xA001 if octet & 1 else octet >> 1
        table.append(octet)
    return tuple(table)


_CRC_TABLE = _make_crc_table()


def compute_crc(octets: bytes | bytearray) -> int:
    """Return the CRC of a P1 telegram from the slash to the exclamation mark (CRC-16/ARC; DSMR P1, 5.2)."""
    crc = 0
    for octet in octets:
        crc = (crc >> 8) ^ _CRC_TABLE[(crc ^ octet) & 0xFF]
    return crc
