"""COSEM dates, times and date-times with wildcards and marks (Blue Book, "date and time formats").

They are patterns: which days, or which moments, something is about. Marks stand for days that a meter works
out itself: the last day of a month, the month in which daylight saving begins. For a single moment see
:mod:`osgp.protocol_dlms.cosem_time`.

gurux-dlms exchanges both marks of a month when it encodes a date-time (findings/gurux-month-marks.sh), so the
octets are made here.
"""

import calendar
import re
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from osgp.protocol_dlms import CosemDateTime
from osgp.protocol_dlms.cosem_time import (
    DEVIATION_LIMIT,
    DEVIATION_UNSPECIFIED,
    STANDARD_DEVIATION_LIMIT,
    STATUS_UNSPECIFIED,
    UNSPECIFIED,
    YEAR_UNSPECIFIED,
)

DAYLIGHT_SAVINGS_END = 0xFD
"""A month: that in which daylight saving ends."""
DAYLIGHT_SAVINGS_BEGIN = 0xFE
"""A month: that in which daylight saving begins."""
SECOND_LAST_DAY = 0xFD
"""A day: the second last of the month."""
LAST_DAY = 0xFE
"""A day: the last of the month."""

DATE_LENGTH, TIME_LENGTH, DATE_TIME_LENGTH = 5, 4, 12
"""In octets."""

_MONTHS = (*range(1, 13), DAYLIGHT_SAVINGS_END, DAYLIGHT_SAVINGS_BEGIN, UNSPECIFIED)
_DAYS = (*range(1, 32), SECOND_LAST_DAY, LAST_DAY, UNSPECIFIED)
_WEEKDAYS = (*range(1, 8), UNSPECIFIED)
_HOURS = (*range(24), UNSPECIFIED)
_MINUTES = (*range(60), UNSPECIFIED)
_HUNDREDTHS = (*range(100), UNSPECIFIED)

_DAYS_OF_MONTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_DATE_TEXT = re.compile(r"(\d{4}|\*)-(\d{2}|\*)-(\d{2}|\*)", re.ASCII)
_TIME_TEXT = re.compile(r"(\d{2}):(\d{2})(?::(\d{2}))?", re.ASCII)
_HEX = re.compile(r"[0-9A-Fa-f]*", re.ASCII)


class InvalidPattern(ValueError):
    """No date, time or date-time; the text says why, for people."""


def _check(value: int, allowed: Sequence[int], text: str) -> None:
    if value not in allowed:
        raise InvalidPattern(text)


@dataclass(frozen=True, slots=True)
class DatePattern:
    """Days: 5 octets.

    ``year`` is 0 to 65534; ``month`` 1 to 12, or DAYLIGHT_SAVINGS_END or DAYLIGHT_SAVINGS_BEGIN; ``day`` 1 to
    31, or SECOND_LAST_DAY or LAST_DAY; ``weekday`` 1 (Monday) to 7. Each may be unspecified. Raises
    InvalidPattern, also for days that no such month has.
    """

    year: int = YEAR_UNSPECIFIED
    month: int = UNSPECIFIED
    day: int = UNSPECIFIED
    weekday: int = UNSPECIFIED

    def __post_init__(self) -> None:
        _check(self.year, range(YEAR_UNSPECIFIED + 1), "The year is not 0 to 65534 (FFFF: any).")
        _check(self.month, _MONTHS, "The month is not 1 to 12 (FD, FE: marks; FF: any).")
        if self.day in range(0xE0, SECOND_LAST_DAY):
            raise InvalidPattern("The days E0 to FC are reserved.")
        _check(self.day, _DAYS, "The day is not 1 to 31 (FD, FE: marks; FF: any).")
        _check(self.weekday, _WEEKDAYS, "The weekday is not 1 to 7 (FF: any).")
        if self.month <= 12 and self.day <= 31 and self.day > self._count_days():
            raise InvalidPattern("The month does not have that day.")

    def _count_days(self) -> int:
        """The days of the month; in any year there may be a 29 February."""
        if self.month == 2 and (self.year == YEAR_UNSPECIFIED or calendar.isleap(self.year)):
            return 29
        return _DAYS_OF_MONTHS[self.month - 1]

    @classmethod
    def from_octets(cls, octets: bytes) -> "DatePattern":
        """Return the date of exactly 5 octets. Raises InvalidPattern."""
        _check_length(octets, DATE_LENGTH, "date")
        return cls(int.from_bytes(octets[:2], "big"), *octets[2:])

    @classmethod
    def from_text(cls, text: str) -> "DatePattern":
        """Return the date of ``2026-12-25``, ``*-12-25`` or 10 hexadecimal digits. Raises InvalidPattern."""
        if (match := _DATE_TEXT.fullmatch(text)) is not None:
            wildcards = (YEAR_UNSPECIFIED, UNSPECIFIED, UNSPECIFIED)
            parts = zip(match.groups(), wildcards, strict=True)
            year, month, day = (any_ if part == "*" else int(part) for part, any_ in parts)
            return cls(year, month, day)
        return cls.from_octets(
            _parse_hex(text, DATE_LENGTH, "Must be YYYY-MM-DD (* for any), or 10 hexadecimal digits.")
        )

    def to_octets(self) -> bytes:
        """Return the 5 octets."""
        return self.year.to_bytes(2, "big") + bytes((self.month, self.day, self.weekday))

    def to_text(self) -> str:
        """Return ``*-12-25`` where that says everything, else 10 hexadecimal digits."""
        is_plain = self.weekday == UNSPECIFIED and (self.year <= 9999 or self.year == YEAR_UNSPECIFIED)
        if not is_plain or self.has_month_mark or self.day in (SECOND_LAST_DAY, LAST_DAY):
            return self.to_octets().hex().upper()
        year = "*" if self.year == YEAR_UNSPECIFIED else f"{self.year:04}"
        month, day = ("*" if part == UNSPECIFIED else f"{part:02}" for part in (self.month, self.day))
        return f"{year}-{month}-{day}"

    def __str__(self) -> str:
        return self.to_text()

    @property
    def has_month_mark(self) -> bool:
        """Whether the month is the one in which daylight saving begins, or ends."""
        return self.month in (DAYLIGHT_SAVINGS_END, DAYLIGHT_SAVINGS_BEGIN)

    @property
    def is_single(self) -> bool:
        """Whether it is one day, without a mark. Its weekday is of no account."""
        return self.year != YEAR_UNSPECIFIED and self.month <= 12 and self.day <= 31


@dataclass(frozen=True, slots=True)
class TimePattern:
    """Times of a day: 4 octets.

    ``hour`` is 0 to 23, ``minute`` and ``second`` 0 to 59, ``hundredths`` of a second 0 to 99. Each may be
    unspecified. Raises InvalidPattern.
    """

    hour: int = UNSPECIFIED
    minute: int = UNSPECIFIED
    second: int = UNSPECIFIED
    hundredths: int = UNSPECIFIED

    def __post_init__(self) -> None:
        _check(self.hour, _HOURS, "The hour is not 0 to 23 (FF: any).")
        _check(self.minute, _MINUTES, "The minute is not 0 to 59 (FF: any).")
        _check(self.second, _MINUTES, "The second is not 0 to 59 (FF: any).")
        _check(self.hundredths, _HUNDREDTHS, "The hundredths are not 0 to 99 (FF: any).")

    @classmethod
    def from_octets(cls, octets: bytes) -> "TimePattern":
        """Return the time of exactly 4 octets. Raises InvalidPattern."""
        _check_length(octets, TIME_LENGTH, "time")
        return cls(*octets)

    @classmethod
    def from_text(cls, text: str) -> "TimePattern":
        """Return the time of ``07:00``, ``07:00:00`` or 8 hexadecimal digits. Raises InvalidPattern."""
        if (match := _TIME_TEXT.fullmatch(text)) is not None:
            hour, minute, second = (int(part or 0) for part in match.groups())
            return cls(hour, minute, second, 0)
        return cls.from_octets(
            _parse_hex(text, TIME_LENGTH, "Must be HH:MM or HH:MM:SS, or 8 hexadecimal digits.")
        )

    def to_octets(self) -> bytes:
        """Return the 4 octets."""
        return bytes(astuple(self))

    def to_text(self) -> str:
        """Return ``07:00`` or ``07:00:30`` where that says everything, else 8 hexadecimal digits."""
        if self.hundredths or not self.is_single:
            return self.to_octets().hex().upper()
        return f"{self.hour:02}:{self.minute:02}" + (f":{self.second:02}" if self.second else "")

    def __str__(self) -> str:
        return self.to_text()

    @property
    def is_single(self) -> bool:
        """Whether it is one time of a day: nothing is unspecified."""
        return UNSPECIFIED not in astuple(self)


@dataclass(frozen=True, slots=True)
class DateTimePattern:
    """Moments: 12 octets.

    ``deviation`` is the minutes from local time to UTC, -720 to 720, or ``DEVIATION_UNSPECIFIED``;
    ``status`` the octet of the clock status, 0xFF if unspecified. Raises InvalidPattern.
    """

    date: DatePattern
    time: TimePattern
    deviation: int = DEVIATION_UNSPECIFIED
    status: int = STATUS_UNSPECIFIED

    def __post_init__(self) -> None:
        if abs(self.deviation) > DEVIATION_LIMIT and self.deviation != DEVIATION_UNSPECIFIED:
            raise InvalidPattern(
                f"The deviation is not -{DEVIATION_LIMIT} to {DEVIATION_LIMIT} minutes (8000: unspecified)."
            )
        _check(self.status, range(0x100), "The status is not one octet.")

    @classmethod
    def from_octets(cls, octets: bytes) -> "DateTimePattern":
        """Return the date-time of exactly 12 octets. Raises InvalidPattern."""
        _check_length(octets, DATE_TIME_LENGTH, "date-time")
        return cls(
            DatePattern.from_octets(octets[:5]),
            TimePattern.from_octets(octets[5:9]),
            int.from_bytes(octets[9:11], "big", signed=True),
            octets[11],
        )

    @classmethod
    def from_text(cls, text: str) -> "DateTimePattern":
        """Return the date-time of 24 hexadecimal digits. Raises InvalidPattern."""
        return cls.from_octets(_parse_hex(text, DATE_TIME_LENGTH, "Must be 24 hexadecimal digits."))

    @classmethod
    def from_moment(cls, moment: datetime, zone: tzinfo) -> "DateTimePattern":
        """Return an aware ``moment`` in ``zone`` with nothing unspecified, to the hundredth of a second.

        In UTC if ``zone`` is more than 12 hours from UTC, a deviation that the Blue Book does not have.
        """
        offset = moment.astimezone(zone).utcoffset() or timedelta()
        if abs(offset) > timedelta(minutes=STANDARD_DEVIATION_LIMIT):
            zone = UTC
        told, local = CosemDateTime.from_datetime(moment, zone), moment.astimezone(zone)
        return cls(
            DatePattern(told.year, told.month, told.day, local.isoweekday()),
            TimePattern(told.hour, told.minute, told.second, told.hundredths),
            told.deviation,
            told.status,
        )

    def to_octets(self) -> bytes:
        """Return the 12 octets."""
        deviation = self.deviation.to_bytes(2, "big", signed=True)
        return self.date.to_octets() + self.time.to_octets() + deviation + bytes((self.status,))

    def to_text(self) -> str:
        """Return the 24 hexadecimal digits."""
        return self.to_octets().hex().upper()

    def __str__(self) -> str:
        return self.to_text()

    @property
    def is_single(self) -> bool:
        """Whether it is one moment, in the zone of the meter if the deviation is unspecified.

        Unspecified hundredths count as zero.
        """
        time = self.time
        return self.date.is_single and UNSPECIFIED not in (time.hour, time.minute, time.second)


def _check_length(octets: bytes, length: int, what: str) -> None:
    if len(octets) != length:
        raise InvalidPattern(f"A {what} has {length} octets, not {len(octets)}.")


def _parse_hex(text: str, length: int, otherwise: str) -> bytes:
    if len(text) != 2 * length or not _HEX.fullmatch(text):
        raise InvalidPattern(otherwise)
    return bytes.fromhex(text)
