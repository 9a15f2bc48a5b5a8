"""Totals of days: for whom a device counts, adding differences, and reading them."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from typing import Any, NamedTuple

from osgp.completeness.bulk import insert_rows
from osgp.completeness.models import DayTotal, Kind

EVERYBODY = 0
"""Stands for an organisation where all devices are meant."""

METERS, COMPLETE, EXPECTED, RECEIVED, LATE = "METERS", "COMPLETE", "EXPECTED", "RECEIVED", "LATE"
_COUNTS = (METERS, COMPLETE, EXPECTED, RECEIVED, LATE)


class Scope(NamedTuple):
    """Devices that are added up: of an organisation, and of these one network, profile or group, or all."""

    organisation: int
    kind: str
    key: str


def format_scopes(
    organisations: Collection[int], network: int | None, profile: str, groups: Mapping[int, int]
) -> str:
    """Return for whom a device counts, as one text. ``groups`` have their organisations."""
    return "|".join(
        (
            ",".join(map(str, sorted(organisations))),
            "" if network is None else str(network),
            profile,
            ",".join(f"{group}:{groups[group]}" for group in sorted(groups)),
        )
    )


@lru_cache
def list_scopes(text: str) -> list[Scope]:
    """Return the scopes of a text that :func:`format_scopes` made."""
    organisations, network, profile, groups = text.split("|")
    readers = [int(organisation) for organisation in organisations.split(",") if organisation]
    scopes = []
    for organisation in (EVERYBODY, *readers):
        scopes.append(Scope(organisation, Kind.ALL, ""))
        scopes.append(Scope(organisation, Kind.NETWORK, network))
        scopes.append(Scope(organisation, Kind.PROFILE, profile))
    for pair in filter(None, groups.split(",")):
        group, owner = pair.split(":")
        if int(owner) in readers:
            scopes.append(Scope(int(owner), Kind.GROUP, group))
    return scopes


class Count(NamedTuple):
    """What is known of a day of a device, in intervals."""

    expected: int
    late: int = 0
    missing: tuple[tuple[str, int], ...] = ()
    """By reason."""

    @property
    def received(self) -> int:
        """Intervals of which all values are stored."""
        return self.expected - sum(number for _, number in self.missing)

    def as_numbers(self) -> dict[str, int]:
        """Return what it adds to totals."""
        return {
            METERS: 1,
            COMPLETE: int(not self.missing),
            EXPECTED: self.expected,
            RECEIVED: self.received,
            LATE: self.late,
            **dict(self.missing),
        }


@dataclass
class Differences:
    """Changes of totals: how many devices of the same scopes have a count now, or have it no longer."""

    _numbers: Counter[tuple[str, str, date, Count]] = field(default_factory=Counter)

    def add(self, scopes: str, period: str, day: date, count: Count) -> None:
        """Add what is known of a day of one device."""
        self._numbers[scopes, period, day, count] += 1

    def take_away(self, scopes: str, period: str, day: date, count: Count) -> None:
        """Take away what was added before."""
        self._numbers[scopes, period, day, count] -= 1

    def store(self) -> None:
        """Add the changes to the totals, in the order of their keys."""
        by_total: Counter[tuple[str, date, str, int, str, str]] = Counter()
        for (text, period, day, count), devices in self._numbers.items():
            if not devices:
                continue
            numbers = [(name, number * devices) for name, number in count.as_numbers().items() if number]
            for scope in list_scopes(text):
                for name, number in numbers:
                    by_total[period, day, scope.kind, scope.organisation, scope.key, name] += number
        rows = [(*key, number) for key, number in sorted(by_total.items()) if number]
        insert_rows(_ADD, _COLUMNS, rows)


_TABLE = DayTotal._meta.db_table
_COLUMNS = ("text", "date", "text", "bigint", "text", "text", "bigint")
_ADD = f"""
    INSERT INTO {_TABLE} (period, day, kind, organisation_id, key, name, number)
    {{rows}}
    ON CONFLICT (period, day, kind, organisation_id, key, name)
    DO UPDATE SET number = {_TABLE}.number + EXCLUDED.number
"""


@dataclass(frozen=True)
class Total:
    """How complete a day is, in intervals, and how many meters that concerns."""

    meters: int = 0
    complete: int = 0
    """Meters that lack nothing."""
    expected: int = 0
    received: int = 0
    late: int = 0
    """Of those received."""
    missing: Mapping[str, int] = field(default_factory=dict)
    """By reason, most frequent first."""

    @property
    def missing_number(self) -> int:
        """Number of missing intervals."""
        return self.expected - self.received

    @classmethod
    def from_numbers(cls, numbers: Mapping[str, int]) -> "Total":
        """Make a total of its numbers."""
        reasons = Counter(
            {name: number for name, number in numbers.items() if name not in _COUNTS and number}
        )
        return cls(
            meters=numbers.get(METERS, 0),
            complete=numbers.get(COMPLETE, 0),
            expected=numbers.get(EXPECTED, 0),
            received=numbers.get(RECEIVED, 0),
            late=numbers.get(LATE, 0),
            missing=dict(reasons.most_common()),
        )


class Line(NamedTuple):
    """A total with what it is about."""

    day: date
    organisation: int
    key: str
    total: Total


def read_totals(kind: Kind, organisations: Collection[int], period: str, days: Iterable[date]) -> list[Line]:
    """Return the totals of these days, by day, organisation and key."""
    rows = DayTotal.objects.filter(
        kind=kind, organisation_id__in=organisations, period=period, day__in=list(days)
    )
    return _make_lines(rows)


def read_group_totals(groups: Collection[int], period: str, days: Iterable[date]) -> list[Line]:
    """Return the totals of groups, of whatever organisation."""
    keys = [str(group) for group in groups]
    return _make_lines(
        DayTotal.objects.filter(kind=Kind.GROUP, key__in=keys, period=period, day__in=list(days))
    )


def _make_lines(rows: Any) -> list[Line]:
    numbers: defaultdict[tuple[date, int, str], dict[str, int]] = defaultdict(dict)
    for day, organisation, key, name, number in rows.values_list(
        "day", "organisation_id", "key", "name", "number"
    ):
        numbers[day, organisation, key][name] = number
    lines = (Line(*place, Total.from_numbers(known)) for place, known in sorted(numbers.items()))
    return [line for line in lines if line.total.meters]
