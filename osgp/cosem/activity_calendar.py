"""The four parts of an activity calendar (class 20): its name, and its tables of seasons, weeks and days.

Tables are compared by content: meters may keep them in an order of their own.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TypeVar

from osgp.cosem.date_patterns import DateTimePattern, InvalidPattern, TimePattern
from osgp.cosem.errors import make_illegal_response
from osgp.protocol_dlms import Data, DataType

TARIFFICATION_SCRIPT_TABLE = bytes((0, 0, 10, 0, 100, 255))
"""Whose scripts the actions of days name; the same object in all profiles."""
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

LARGEST_DAY_ID, LARGEST_SELECTOR = 0xFF, 0xFFFF

MOST_ENTRIES = 32
"""Entries of each table in an answer; meters hold 4 to 12."""
MOST_ACTIONS = 48
"""Actions of a day: one each half hour."""
LONGEST_NAME = 32
"""Octets of a name in an answer."""

T = TypeVar("T")


class Season(NamedTuple):
    """From ``start`` on, the week with the name ``week`` applies. Names are octets."""

    name: bytes
    start: DateTimePattern
    week: bytes

    def __str__(self) -> str:
        return f"season {show_name(self.name)} from {self.start} with week {show_name(self.week)}"


class Week(NamedTuple):
    """The day ids (0..255) of Monday to Sunday."""

    name: bytes
    day_ids: tuple[int, ...]

    def __str__(self) -> str:
        return f"week {show_name(self.name)} of days {', '.join(map(str, self.day_ids))}"


class Action(NamedTuple):
    """At ``start_time`` the script with this selector (0..65535) is executed."""

    start_time: TimePattern
    script_selector: int


class Day(NamedTuple):
    """A day profile: its id (0..255) and its actions."""

    day_id: int
    actions: tuple[Action, ...]

    def __str__(self) -> str:
        actions = (f"script {action.script_selector} at {action.start_time}" for action in self.actions)
        return f"day {self.day_id} with {', '.join(actions)}"


def encode_name(digit: str) -> bytes:
    """Return the name of a season or week, one octet: the number, not its character."""
    return bytes((int(digit),))


def show_name(name: bytes) -> str:
    """Return a digit for the name of a season or week as :func:`encode_name` makes them.

    Others, which other head-ends may have written: a text of two characters or more, or hexadecimal digits
    after ``0x``.
    """
    if len(name) == 1:
        return str(name[0]) if name[0] < 10 else f"0x{name.hex().upper()}"
    return show_text(name)


def show_text(name: bytes) -> str:
    """Return the name of a calendar: printable ASCII as it is, else hexadecimal digits after ``0x``."""
    text = name.decode("ascii", "replace")
    return text if text.isascii() and text.isprintable() else f"0x{name.hex().upper()}"


def encode_seasons(seasons: Sequence[Season]) -> Data:
    """Return a season profile, in this order."""
    return _array(
        _structure(_octets(season.name), _octets(season.start.to_octets()), _octets(season.week))
        for season in seasons
    )


def encode_weeks(weeks: Sequence[Week]) -> Data:
    """Return a week profile table, in this order."""
    return _array(
        _structure(_octets(week.name), *(Data(DataType.UNSIGNED, day_id) for day_id in week.day_ids))
        for week in weeks
    )


def encode_days(days: Sequence[Day]) -> Data:
    """Return a day profile table, in this order."""

    def encode(action: Action) -> Data:
        selector = Data(DataType.LONG_UNSIGNED, action.script_selector)
        start_time = _octets(action.start_time.to_octets())
        return _structure(start_time, _octets(TARIFFICATION_SCRIPT_TABLE), selector)

    return _array(
        _structure(Data(DataType.UNSIGNED, day.day_id), _array(encode(action) for action in day.actions))
        for day in days
    )


def parse_name(data: Data) -> bytes:
    """Return the name of a calendar. Raises Fault unless it is an octet-string of at most LONGEST_NAME."""
    if not isinstance(data.value, bytes) or len(data.value) > LONGEST_NAME:
        raise make_illegal_response(
            f"The calendar's name is not an octet-string of at most {LONGEST_NAME} octets."
        )
    return data.value


def parse_seasons(data: Data) -> list[Season]:
    """Return a season profile by names. Raises Fault for anything that is none."""
    return _parse_table(data, "season profile", _parse_season)


def parse_weeks(data: Data) -> list[Week]:
    """Return a week profile table by names. Raises Fault for anything that is none."""
    return _parse_table(data, "week profile table", _parse_week)


def parse_days(data: Data) -> list[Day]:
    """Return a day profile table by ids, the actions of each by time.

    Raises Fault for anything that is none, also for actions that are no scripts of the tariffication table.
    """
    return _parse_table(data, "day profile table", _parse_day)


def _parse_table(data: Data, what: str, parse: Callable[[object], T]) -> list[T]:
    entries = data.native
    if data.type is not DataType.ARRAY or not isinstance(entries, tuple) or len(entries) > MOST_ENTRIES:
        raise make_illegal_response(f"The {what} is not an array of at most {MOST_ENTRIES}.")
    try:
        return sorted((parse(entry) for entry in entries), key=lambda each: each[0])  # type: ignore[index]
    except InvalidPattern as error:
        raise make_illegal_response(f"The {what}: {error}") from None


def _parse_season(entry: object) -> Season:
    match entry:
        case (bytes(name), bytes(start), bytes(week)) if len(name) <= LONGEST_NAME >= len(week):
            return Season(name, DateTimePattern.from_octets(start), week)
    raise InvalidPattern("An entry is not name, start and week.")


def _parse_week(entry: object) -> Week:
    match entry:
        case (bytes(name), *day_ids) if len(name) <= LONGEST_NAME and len(day_ids) == len(WEEKDAYS):
            return Week(name, tuple(_parse_number(day_id, LARGEST_DAY_ID) for day_id in day_ids))
    raise InvalidPattern("An entry is not a name and seven days.")


def _parse_day(entry: object) -> Day:
    match entry:
        case (day_id, tuple(actions)) if len(actions) <= MOST_ACTIONS:
            parsed = (_parse_action(action) for action in actions)
            by_time = sorted(parsed, key=lambda action: action.start_time.to_octets())
            return Day(_parse_number(day_id, LARGEST_DAY_ID), tuple(by_time))
    raise InvalidPattern(f"An entry is not an id and at most {MOST_ACTIONS} actions.")


def _parse_action(action: object) -> Action:
    match action:
        case (bytes(start_time), bytes(script_table), selector) if script_table == TARIFFICATION_SCRIPT_TABLE:
            return Action(TimePattern.from_octets(start_time), _parse_number(selector, LARGEST_SELECTOR))
    raise InvalidPattern("An action is not start time, tariffication script table and selector.")


def _parse_number(value: object, largest: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= largest:
        raise InvalidPattern(f"An id or selector is not a number of 0 to {largest}.")
    return value


def _array(elements: Iterable[Data]) -> Data:
    return Data(DataType.ARRAY, tuple(elements))


def _structure(*members: Data) -> Data:
    return Data(DataType.STRUCTURE, members)


def _octets(value: bytes) -> Data:
    return Data(DataType.OCTET_STRING, value)
