"""COSEM data as text: nested, typed, with the probable meaning of octet strings; of bounded length."""

from collections.abc import Callable, Iterator

from osgp.catalogue import obis
from osgp.protocol_dlms import axdr
from osgp.protocol_dlms.cosem_time import (
    DEVIATION_LIMIT,
    DEVIATION_UNSPECIFIED,
    STATUS_DAYLIGHT_SAVING,
    STATUS_INVALID,
    STATUS_UNSPECIFIED,
    UNSPECIFIED,
    YEAR_UNSPECIFIED,
    CosemDateTime,
)
from osgp.protocol_dlms.data import Data, DataType
from osgp.protocol_dlms.errors import DecodeError, IllegalResponse

LONGEST_TEXT = 8000
"""Maximum characters of a description."""
LONGEST_LINE = 160
"""Characters up to which an array or structure is written on one line."""
MOST_OCTETS = 64
"""Maximum octets of one value that are shown."""
MOST_DECODED = 32_768
"""Maximum octets of data that are decoded."""

Names = Callable[[bytes], str]
"""Finds the tag of an object by its logical name (6 octets); empty if it has none."""


class Lines:
    """A text that stops growing at ``LONGEST_TEXT``."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._room = LONGEST_TEXT

    @property
    def is_full(self) -> bool:
        return self._room <= 0

    def add(self, line: str, depth: int = 0) -> None:
        """Add one line, indented by ``depth`` levels."""
        if self.is_full:
            return
        line = "  " * depth + line
        self._room -= len(line) + 1
        if self._room <= 0:
            line = line[: len(line) + self._room].rstrip() + " … (cut here)"
        self._lines.append(line)

    def __str__(self) -> str:
        return "\n".join(self._lines)


def add_encoded(lines: Lines, heading: str, encoded: bytes, names: Names, depth: int = 0) -> int:
    """Add the value at the start of ``encoded``; return its length, or that of all if it is invalid."""
    if len(encoded) > MOST_DECODED:
        lines.add(f"{heading}{len(encoded)} octets, too many to be shown", depth)
        return len(encoded)
    try:
        data, end = axdr.decode_prefix(encoded)
    except (DecodeError, IllegalResponse) as error:
        lines.add(f"{heading}no value ({error}): {format_octets(encoded)}", depth)
        return len(encoded)
    add_data(lines, heading, data, names, depth)
    return end


def add_data(lines: Lines, heading: str, data: Data, names: Names, depth: int = 0) -> None:
    """Add a value on one line if it is short, else one line per element."""
    line = _format_on_one_line(data, names)
    if line is not None and len(line) <= LONGEST_LINE:
        lines.add(heading + line, depth)
        return
    if not isinstance(data.value, tuple):
        lines.add(heading + _format_scalar(data, names), depth)
        return
    lines.add(f"{heading}{_format_type(data.type)} of {len(data.value)}", depth)
    for element in data.value:
        if lines.is_full:
            return
        add_data(lines, "", element, names, depth + 1)


def _format_on_one_line(data: Data, names: Names) -> str | None:
    """Return the value on one line; None if that is too long."""
    if not isinstance(data.value, tuple):
        return _format_scalar(data, names)
    parts = []
    room = LONGEST_LINE
    for element in data.value:
        part = _format_on_one_line(element, names)
        if part is None or (room := room - len(part) - 2) < 0:
            return None
        parts.append(part)
    return f"{_format_type(data.type)} {{{', '.join(parts)}}}"


def _format_scalar(data: Data, names: Names) -> str:
    name, value = _format_type(data.type), data.value
    if value is None:
        return name
    if isinstance(value, bytes):
        return f"{name} {format_octets(value)}{_guess_meaning(data.type, value, names)}"
    if isinstance(value, str):
        if data.type == DataType.BIT_STRING:
            more = " …" if len(value) > 8 * MOST_OCTETS else ""
            return f"{name} {value[: 8 * MOST_OCTETS]}{more}"
        return f"{name} {_quote(value)}"
    return f"{name} {str(value).lower() if isinstance(value, bool) else value}"


def _format_type(data_type: DataType) -> str:
    return data_type.name.lower().replace("_", "-")


def _quote(text: str) -> str:
    shown = text[:MOST_OCTETS].encode("unicode_escape").decode("ascii")
    return f'"{shown}"' + (" …" if len(text) > MOST_OCTETS else "")


def format_octets(octets: bytes) -> str:
    """Return octets in hexadecimal; of a long string only the start."""
    if len(octets) <= MOST_OCTETS:
        return octets.hex()
    return f"{octets[:MOST_OCTETS].hex()} … ({len(octets)} octets)"


def _guess_meaning(data_type: DataType, octets: bytes, names: Names) -> str:
    """Return what octets probably are: a logical name, a date and time, or text; else nothing."""
    if len(octets) == 12 and data_type in (DataType.OCTET_STRING, DataType.DATE_TIME):
        moment = _format_date_time(CosemDateTime.from_bytes(octets))
        if moment:
            return f" ({moment})"
    if data_type != DataType.OCTET_STRING or not octets:
        return ""
    if len(octets) == 6 and octets[5] == 0xFF:
        tag = names(octets)
        return f" ({obis.to_text(octets)}{' ' + tag if tag else ''})"
    if all(0x20 <= octet < 0x7F for octet in octets):
        return f" ({_quote(octets.decode('ascii'))})"
    return ""


def _format_date_time(moment: CosemDateTime) -> str:
    """Return a date-time with ``*`` for unspecified parts; empty if it is out of range."""
    parts = list(_format_parts(moment))
    if None in parts:
        return ""
    year, month, day, hour, minute, second = parts
    text = f"{year}-{month}-{day} {hour}:{minute}:{second}"
    if moment.deviation == DEVIATION_UNSPECIFIED:
        text += ", deviation not specified"
    elif abs(moment.deviation) <= DEVIATION_LIMIT:
        hours, minutes = divmod(abs(moment.deviation), 60)
        text += f" UTC{'-' if moment.deviation > 0 else '+'}{hours:02}:{minutes:02}"
    else:
        return ""
    if moment.status != STATUS_UNSPECIFIED:
        text += ", daylight saving" if moment.status & STATUS_DAYLIGHT_SAVING else ""
        text += ", invalid" if moment.status & STATUS_INVALID else ""
    return text


def _format_parts(moment: CosemDateTime) -> Iterator[str | None]:
    """Yield year to second; None for a part that is out of range."""
    yield "*" if moment.year == YEAR_UNSPECIFIED else str(moment.year) if 1970 <= moment.year < 2200 else None
    for value, first, last in (
        (moment.month, 1, 12),
        (moment.day, 1, 31),
        (moment.hour, 0, 23),
        (moment.minute, 0, 59),
        (moment.second, 0, 59),
    ):
        if value in (UNSPECIFIED, 0xFD, 0xFE):
            yield "*" if value == UNSPECIFIED else f"{value:X}h"
        else:
            yield f"{value:02}" if first <= value <= last else None
