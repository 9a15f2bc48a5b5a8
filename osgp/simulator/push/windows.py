"""Communication windows of push setups: points of time at which they open and close, with wildcards
(Blue Book, class 40, and the date-time of 4.1.6.1)."""

from calendar import monthrange
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import NamedTuple

_LEAST_OCTETS = 8
"""From the year to the second."""
_OPEN = 0xFF
_OPEN_YEAR = 0xFFFF
_LAST_DAY, _LAST_DAY_BUT_ONE = 0xFE, 0xFD
_DAY = timedelta(days=1)
_LONGEST_SEARCH = 12 * 366
"""Days: leap days may be eight years apart."""


class _Point(NamedTuple):
    """When a window opens or closes, each time a day is like this."""

    year: int
    month: int
    day: int
    weekday: int
    """From 1, Monday."""
    at: time

    @property
    def is_once(self) -> bool:
        """Whether there is one such day; its weekday says nothing more."""
        return self.year != _OPEN_YEAR and self.month != _OPEN and self.day < _LAST_DAY_BUT_ONE

    def is_on(self, day: date) -> bool:
        last = monthrange(day.year, day.month)[1]
        wanted = {_OPEN: day.day, _LAST_DAY: last, _LAST_DAY_BUT_ONE: last - 1}.get(self.day, self.day)
        return (
            self.year in (_OPEN_YEAR, day.year)
            and self.month in (_OPEN, day.month)
            and wanted == day.day
            and (self.is_once or self.weekday in (_OPEN, day.isoweekday()))
        )


def is_within(local: datetime, begin: bytes, end: bytes) -> bool:
    """Whether a time of the meter's clock lies in a window: it has opened, and has not closed since.

    What is open of a date (FF) is any: with year, month and day open, the window opens each day, or each week
    if there is a weekday. What is open of a time is its beginning. A window that closes when it opens anew is
    always open. Octets that are no such dates bound nothing.
    """
    opening, closing = _read(begin), _read(end)
    if opening is None or closing is None:
        return True
    opened, closed = _find_last(opening, local), _find_last(closing, local)
    if opening.is_once and closing.is_once:
        # Nothing opens it once more, whatever their order.
        return opened is not None and closed is None and opening != closing
    return opened is not None and (closed is None or opened > closed or opening == closing)


def _read(octets: bytes) -> _Point | None:
    if len(octets) < _LEAST_OCTETS:
        return None
    hour, minute, second = (0 if octet == _OPEN else octet for octet in octets[5:8])
    try:
        at = time(hour, minute, second)
    except ValueError:
        return None
    return _Point(int.from_bytes(octets[:2], "big"), octets[2], octets[3], octets[4], at)


def _find_last(point: _Point, local: datetime) -> datetime | None:
    """The last time before ``local``, or then, that a point tells."""
    today = local.date()
    if point.is_on(today) and point.at <= local.time():
        return datetime.combine(today, point.at)
    day = _find_last_day(point, today - _DAY)
    return None if day is None else datetime.combine(day, point.at)


@lru_cache(maxsize=1024)
def _find_last_day(point: _Point, until: date) -> date | None:
    """Meters look at their windows often, but days are few."""
    if point.is_once:
        try:
            day = date(point.year, point.month, point.day)
        except ValueError:
            return None
        return day if day <= until else None
    days = (until - _DAY * back for back in range(_LONGEST_SEARCH))
    return next((day for day in days if point.is_on(day)), None)
