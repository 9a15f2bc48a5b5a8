"""The zone of a clock whose attributes 3 and 5 to 8 (class 8, Blue Book) say when it shows which time."""

from datetime import UTC, datetime, time, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Any, NamedTuple

from ..codec.axdr import DataType, decode
from ..codec.cosem_time import DEVIATION_NOT_SPECIFIED, OCTETS
from . import dates

DAYLIGHT_SAVINGS_BEGIN = bytes.fromhex("FFFF03FE0702000000FFC400")
"""Last Sunday of March, 02:00 of UTC+1."""
DAYLIGHT_SAVINGS_END = bytes.fromhex("FFFF0AFE0703000000FF8880")
"""Last Sunday of October, 03:00 of UTC+2."""

_DEVIATION = 60
_LARGEST_TIME_ZONE = 720
_LARGEST_DEVIATION = 840
"""Minutes: a zone 12 hours from UTC, and two hours of daylight saving."""
_NOTHING = timedelta()
_YEARS = range(1, 9999)


class ClockRules(NamedTuple):
    """What the attributes hold. ``time_zone`` is the deviation of standard time, in minutes from local time
    to UTC (-60 for UTC+1); ``daylight_savings_deviation`` the minutes by which the clock goes ahead
    meanwhile. Begin and end are date-times of 12 octets."""

    time_zone: int
    daylight_savings_begin: bytes
    daylight_savings_end: bytes
    daylight_savings_deviation: int
    daylight_savings_enabled: bool


class ClockZone(tzinfo):
    """Standard time, and daylight saving from each begin until the next end.

    There is no daylight saving unless it is enabled, and begin and end both say on which one day of a year,
    at which hour and minute, they are. Either is by the clock as it goes until then, or by the deviation that
    is given.
    """

    def __init__(self, rules: ClockRules) -> None:
        self._standard = timedelta(minutes=-rules.time_zone)
        self._saving = timedelta(minutes=rules.daylight_savings_deviation)
        self._rules = rules
        usable = _is_usable(rules.daylight_savings_begin) and _is_usable(rules.daylight_savings_end)
        self._saves = rules.daylight_savings_enabled and usable
        self._changes: dict[int, tuple[tuple[datetime, bool], ...]] = {}

    def __repr__(self) -> str:
        return f"ClockZone({self._rules!r})"

    def utcoffset(self, moment: datetime | None) -> timedelta:
        """How far local time is ahead of UTC."""
        return self._standard + self.dst(moment)

    def dst(self, moment: datetime | None) -> timedelta:
        """How far daylight saving is ahead of standard time, 0 without it.

        Of an hour that comes twice it is the first unless ``fold``; an hour that is left out counts by the
        time before it, or after it with ``fold``.
        """
        if not self._saves or moment is None:
            return _NOTHING
        local = moment.replace(tzinfo=UTC, fold=0)
        standard = self._is_saving(local - self._standard)
        saving = self._is_saving(local - self._standard - self._saving)
        if standard != saving:
            # The hour comes twice, or not at all: either side of the change could claim it.
            later_saves = standard is (self._saving > _NOTHING)
            return self._saving if (moment.fold == 1) is later_saves else _NOTHING
        return self._saving if saving else _NOTHING

    def tzname(self, moment: datetime | None) -> str:
        """The offset."""
        return f"UTC{self.utcoffset(moment) / timedelta(hours=1):+g}"

    def fromutc(self, moment: datetime) -> datetime:
        """Local time."""
        utc = moment.replace(tzinfo=UTC)
        ahead = self._saving if self._saves and self._is_saving(utc) else _NOTHING
        local = moment + self._standard + ahead
        return local if self.dst(local) == ahead else local.replace(fold=1)

    def _is_saving(self, moment: datetime) -> bool:
        """Whether daylight saving is on at a moment of UTC."""
        saving = False
        for year in (moment.year - 1, moment.year, moment.year + 1):
            for change, begins in self._list_changes(year):
                if change <= moment:
                    saving = begins
        return saving

    def _list_changes(self, year: int) -> tuple[tuple[datetime, bool], ...]:
        """The changes of a year, in order, and whether daylight saving begins; kept, since each time that is
        shown asks for them."""
        changes = self._changes.get(year)
        if changes is None:
            rules = self._rules
            found = [
                (self._find_change(rules.daylight_savings_begin, year, self._standard), True),
                (self._find_change(rules.daylight_savings_end, year, self._standard + self._saving), False),
            ]
            # At the same moment the end comes last.
            changes = tuple(
                sorted(
                    ((moment, begins) for moment, begins in found if moment is not None),
                    key=lambda change: (change[0], not change[1]),
                )
            )
            self._changes[year] = changes
        return changes

    @staticmethod
    def _find_change(octets: bytes, year: int, offset: timedelta) -> datetime | None:
        if year not in _YEARS:
            return None
        day = dates.find_year_day(octets, year)
        if day is None:
            return None
        deviation = int.from_bytes(octets[9:11], "big", signed=True)
        if deviation != DEVIATION_NOT_SPECIFIED:
            offset = timedelta(minutes=-deviation)
        second = 0 if octets[7] == dates.OPEN else octets[7]
        return datetime.combine(day, time(octets[5], octets[6], second), UTC) - offset


def _is_usable(octets: bytes) -> bool:
    """Whether a begin or an end says when it is."""
    if len(octets) != OCTETS:
        return False
    hour, minute, second = octets[5:8]
    deviation = int.from_bytes(octets[9:11], "big", signed=True)
    if hour > 23 or minute > 59 or not (second <= 59 or second == dates.OPEN):
        return False
    if deviation != DEVIATION_NOT_SPECIFIED and abs(deviation) > _LARGEST_DEVIATION:
        return False
    given = int.from_bytes(octets[:2], "big")
    # A leap year has all days that there are.
    year = given if given in _YEARS else 2024
    return (given in _YEARS or given == dates.OPEN_YEAR) and dates.find_year_day(octets, year) is not None


@lru_cache(maxsize=1_024)
def find_clock_zone(written: tuple[bytes | None, ...], tells_daylight_saving: bool, zone: tzinfo) -> tzinfo:
    """The zone of clocks whose settings were written so, each encoded, or None if it never was: in the order
    of :class:`ClockRules`. What was not written is as in the fleet's ``zone``, or as Dutch meters have it.

    One object for the same settings, so that what is kept by zone is found again.
    """
    types = (DataType.LONG, DataType.OCTET_STRING, DataType.OCTET_STRING, DataType.INTEGER, DataType.BOOLEAN)
    factory = (_find_standard_deviation(zone), DAYLIGHT_SAVINGS_BEGIN, DAYLIGHT_SAVINGS_END, _DEVIATION, True)
    values = map(_read, written, types, factory)
    rules = ClockRules(*values)
    if abs(rules.time_zone) > _LARGEST_TIME_ZONE:
        rules = rules._replace(time_zone=factory[0])
    if written[1:4] == (None, None, None) and (rules.time_zone, rules.daylight_savings_enabled) == (
        factory[0],
        True,
    ):
        return zone
    if not rules.daylight_savings_enabled or not tells_daylight_saving:
        return timezone(timedelta(minutes=-rules.time_zone))
    return ClockZone(rules)


def _read(encoded: bytes | None, data_type: DataType, factory: Any) -> Any:
    data = decode(encoded) if encoded is not None else None
    return data.value if data is not None and data.type is data_type else factory


def _find_standard_deviation(zone: tzinfo) -> int:
    winter = datetime(2021, 1, 1, tzinfo=zone).utcoffset() or _NOTHING
    return -int(winter.total_seconds()) // 60
