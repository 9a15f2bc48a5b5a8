"""COSEM dates that repeat (Blue Book "Date and time formats"): years, months, days and weekdays left open.

A day of the month may be 0xFE, the last one, or 0xFD, the last but one. With a weekday they mean the last,
or the last but one, such weekday of the month. A number of a day with a weekday means that weekday, on the
day or next after it, if the year is open; if the year is given, both have to agree.
"""

from calendar import monthrange
from datetime import date, timedelta

OPEN = 0xFF
OPEN_YEAR = 0xFFFF
OCTETS = 5
_LAST, _LAST_BUT_ONE = 0xFE, 0xFD
_WEEK = 7
_WEEKDAYS = range(1, _WEEK + 1)
_MONTHS = range(1, 13)


def is_open(octets: bytes) -> bool:
    """Whether year, month, day and weekday are all left open, or there are no octets at all."""
    return octets[:OCTETS] == b"\xff" * len(octets[:OCTETS])


def list_days(octets: bytes, year: int, month: int) -> list[date]:
    """The days of a month that a date (its first 5 octets) means, in order.

    None for octets that mean no day: an impossible day, the marks of a month (0xFD and 0xFE, which stand for
    when daylight saving ends and begins), reserved values.
    """
    if len(octets) < OCTETS:
        return []
    wanted_year, wanted_month = int.from_bytes(octets[:2], "big"), octets[2]
    if wanted_year not in (OPEN_YEAR, year) or wanted_month not in (OPEN, month):
        return []
    days = _list_numbered_days(octets, year, month)
    weekday = octets[4]
    if weekday == OPEN:
        return days
    return [day for day in days if day.isoweekday() == weekday]


def _list_numbered_days(octets: bytes, year: int, month: int) -> list[date]:
    """The days that the number allows: with a weekday, the week in which that weekday is looked for."""
    day, weekday = octets[3], octets[4]
    length = monthrange(year, month)[1]
    if weekday != OPEN and weekday not in _WEEKDAYS:
        return []
    if day == OPEN:
        return _list_span(year, month, 1, length)
    if day in (_LAST, _LAST_BUT_ONE):
        back = _LAST - day
        if weekday == OPEN:
            return [date(year, month, length - back)]
        end = length - back * _WEEK
        return _list_span(year, month, end - _WEEK + 1, end)
    if not 1 <= day <= length:
        return []
    if weekday == OPEN or octets[:2] != b"\xff\xff":
        return [date(year, month, day)]
    # On the day or next after it, which may be in the next month.
    first = date(year, month, day)
    return [first + timedelta(days=later) for later in range(_WEEK)]


def _list_span(year: int, month: int, first: int, last: int) -> list[date]:
    return [date(year, month, day) for day in range(first, last + 1)]


def matches(octets: bytes, day: date) -> bool:
    """Whether a date means ``day``."""
    if day in list_days(octets, day.year, day.month):
        return True
    if len(octets) < OCTETS or octets[3] in (OPEN, _LAST, _LAST_BUT_ONE) or octets[4] == OPEN:
        return False
    earlier = day.replace(day=1) - timedelta(days=1)
    return day in list_days(octets, earlier.year, earlier.month)


def find_year_day(octets: bytes, year: int) -> date | None:
    """The one day of a year that a date means; None when it means none, or more than one."""
    if len(octets) < OCTETS or octets[2] not in _MONTHS:
        return None
    days = list_days(octets, year, octets[2])
    return days[0] if len(days) == 1 else None


def find_last(octets: bytes, day: date) -> date | None:
    """The last day up to ``day`` that a date means, within the past year, or in the year that it gives."""
    if len(octets) < OCTETS:
        return None
    given = int.from_bytes(octets[:2], "big")
    newest = (day.year, day.month) if given in (OPEN_YEAR, day.year) else (given, 12)
    if newest > (day.year, day.month) or not (1 <= given <= 9999 or given == OPEN_YEAR):
        return None
    number = newest[0] * 12 + newest[1] - 1
    for earlier in range(number, number - 13, -1):
        if earlier < 12:
            return None
        found = [each for each in list_days(octets, earlier // 12, earlier % 12 + 1) if each <= day]
        if found:
            return found[-1]
    return None
