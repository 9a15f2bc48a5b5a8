"""What an activity calendar and the special days (classes 20 and 11, Blue Book) say about the tariff."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from typing import NamedTuple

from ..codec.axdr import Data, array, decode, long_unsigned, octet_string, structure, unsigned
from . import dates
from .captures import find_midnight

SCRIPT_TABLE = bytes((0, 0, 10, 0, 100, 255))
LOW, HIGH = 0, 1
_RATES = {1: LOW, 2: HIGH}
"""By selector of the tariffication scripts."""

_DAYS_BACK = 31
"""How far back an action is looked for on days without any; all days of a week, in any season."""


def _action(hour: int, selector: int) -> bytes:
    start = octet_string(bytes((hour, 0, 0, 0)))
    return structure(start, octet_string(SCRIPT_TABLE), long_unsigned(selector))


FACTORY_NAME = octet_string(b"DEFAULT")
FACTORY_SEASONS = array(
    [
        structure(
            octet_string(b"\x01"),
            octet_string(bytes.fromhex("FFFF0101FF00000000800000")),
            octet_string(b"\x01"),
        )
    ]
)
"""One season from 1 January, with week 1."""
FACTORY_WEEKS = array([structure(octet_string(b"\x01"), *[unsigned(0)] * 7)])
"""All days are day 0."""
FACTORY_DAYS = array(
    [
        structure(unsigned(0), array([_action(0, 1), _action(7, 2), _action(23, 1)])),
        structure(unsigned(1), array([_action(0, 1)])),
    ]
)
"""Day 0 is high from 7 to 23 hours; day 1 is low, for special days."""
FACTORY_TABLES = (FACTORY_NAME, FACTORY_SEASONS, FACTORY_WEEKS, FACTORY_DAYS)
"""In the order of the attributes."""
NO_SPECIAL_DAYS = array([])


class Switch(NamedTuple):
    """From ``stamp`` (UNIX time by the meter's clock) on, energy counts in ``rate``, 0 low, 1 high."""

    stamp: float
    rate: int


class TariffCalendar:
    """The rate at any local time.

    A day's profile is that of the first special day, by index, that means it and whose profile there is, or
    else that of its weekday in the week of its season. A season lasts from the day of its start until that
    of another; one whose start is open lasts when there is no other. Scripts of other tables, or with other
    selectors than 1 (low) and 2 (high), do nothing. The rate stays as it is until the next action, on
    whatever day; if no day says anything it is high.
    """

    def __init__(self, seasons: bytes, weeks: bytes, days: bytes, special_days: bytes) -> None:
        self._seasons = [tuple(part.value for part in item.value[1:]) for item in decode(seasons).value]
        self._weeks = {
            item.value[0].value: [part.value for part in item.value[1:]] for item in decode(weeks).value
        }
        self._days = {
            day_id.value: tuple(sorted(_read_actions(actions.value), key=lambda action: action[0]))
            for day_id, actions in (item.value for item in decode(days).value)
        }
        rows = sorted(tuple(part.value for part in item.value) for item in decode(special_days).value)
        self._special_days = [(octets, day_id) for _, octets, day_id in rows if day_id in self._days]

    def _find_day_id(self, day: date) -> int | None:
        for octets, day_id in self._special_days:
            if dates.matches(octets, day):
                return int(day_id)
        week = self._weeks.get(self._find_week(day))
        return week[day.weekday()] if week is not None else None

    def _find_week(self, day: date) -> bytes | None:
        """The name of the week of the season that has begun last; of several on one day the last listed."""
        latest, found = date.min, None
        for start, week in self._seasons:
            begun = date.min if dates.is_open(start) else dates.find_last(start, day)
            if begun is not None and begun >= latest:
                latest, found = begun, week
        return found

    def list_actions(self, day: date) -> tuple[tuple[time, int], ...]:
        """When, in order, which rate begins on a day."""
        day_id = self._find_day_id(day)
        return self._days.get(day_id, ()) if day_id is not None else ()

    def list_switches(self, day: date, zone: tzinfo) -> Iterator[Switch]:
        """The rate at local midnight, and the switches of a day, in order."""
        stamp = find_midnight(day, zone)
        yield Switch(stamp, self._find_rate_before(day))
        for start, rate in _list_actions_of(self, day):
            # An hour that is left out in spring must not put switches in another order.
            stamp = max(stamp, datetime.combine(day, start, zone).timestamp())
            yield Switch(stamp, rate)

    def _find_rate_before(self, day: date) -> int:
        for back in range(1, _DAYS_BACK + 1):
            actions = _list_actions_of(self, day - timedelta(days=back))
            if actions:
                return actions[-1][1]
        return HIGH


def _read_actions(actions: tuple[Data, ...]) -> Iterator[tuple[time, int]]:
    """When which rate begins; an open minute or second is 0."""
    for action in actions:
        start, table, selector = (part.value for part in action.value)
        if table != SCRIPT_TABLE or selector not in _RATES or len(start) != 4:
            continue
        hour, minute, second = (start[0], *(0 if part == dates.OPEN else part for part in start[1:3]))
        if hour < 24 and minute < 60 and second < 60:
            yield time(hour, minute, second), _RATES[selector]


@lru_cache(maxsize=8_192)
def _list_actions_of(calendar: TariffCalendar, day: date) -> tuple[tuple[time, int], ...]:
    """As :meth:`TariffCalendar.list_actions`; kept, since days without actions look at many others."""
    return calendar.list_actions(day)


@lru_cache(maxsize=512)
def read_calendar(seasons: bytes, weeks: bytes, days: bytes, special_days: bytes) -> TariffCalendar:
    """The calendar in encoded tables, the same one for all meters that have them."""
    return TariffCalendar(seasons, weeks, days, special_days)


@lru_cache(maxsize=8_192)
def list_switches(calendar: TariffCalendar, day: date, zone: tzinfo) -> tuple[Switch, ...]:
    """As :meth:`TariffCalendar.list_switches`; each row of a buffer asks again."""
    return tuple(calendar.list_switches(day, zone))
