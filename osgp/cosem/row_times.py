"""The times of the rows in one answer of a meter, from their clock column.

A meter may leave out the clock of a row that it captured one period after the row before (Blue Book,
class 7, buffer). Date-times without deviation are ambiguous in the hour that autumn repeats; then the order
of the rows tells which hour is meant, and what was asked for. Times count from the last clock received, so
that a late first row of a day, or a short month, does not shift the rows after it.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import NamedTuple

from osgp.cosem.clock import MeterClock
from osgp.cosem.profile_rows import DAY_SECONDS, CapturePeriod
from osgp.cosem.repeated_cells import GAP

LEFT_OUT = "is left out"
NOTHING_BEFORE = "is left out, and no row before it has a time to count from"
OUT_OF_CALENDAR = "is left out, and counting leads out of the calendar"
INCOMPLETE = "does not tell a complete time"

_ONLY_BYTES, _ONE = frozenset((bytes,)), frozenset((1,))

Within = tuple[datetime, datetime]
"""The first and the last time that a meter was asked for."""

_DISORDER, _OUTSIDE, _AGAINST_FLAG = 1e9, 10.0, 1.0
"""What speaks against a choice, beside each second by which rows are not one period apart: rows out of order,
each second outside of what was asked for, and the clock status, which not every meter keeps."""


class Times(NamedTuple):
    """Times in UTC by row, None where there is none, and why there is none by the row's place."""

    moments: list[datetime | None]
    reasons: Mapping[int, str]


def find_times(
    cells: Sequence[object],
    clock: MeterClock,
    period: CapturePeriod | None,
    within: Within | None = None,
    rows: Sequence[object] = (),
) -> Times:
    """Return the times of one column of date-times, in the order of the meter's answer.

    Without a ``period`` clocks that are left out have no time. ``within`` and ``rows``, the whole rows, help
    with ambiguous times: rows in the order of time, or its reverse, get the times that keep the order and the
    period best; of rows in no order the first with an ambiguous time gets the earlier hour unless another row
    has it.
    """
    list_candidates = clock.list_candidates
    if _ONLY_BYTES.issuperset(map(type, cells)):
        # As is usual: all are told, and clear.
        found = [list_candidates(cell) for cell in cells]  # type: ignore[arg-type]
        if _ONE.issuperset(map(len, found)):
            return Times([moment for (moment,) in found], {})
    told: list[_Told] = []
    reasons: dict[int, str] = {}
    current: _Told | None = None
    for place, cell in enumerate(cells):
        if isinstance(cell, bytes):
            candidates = list_candidates(cell)
            if candidates:
                current = _Told(place, cell, candidates, [])
                told.append(current)
                continue
            current = None
            reasons[place] = INCOMPLETE
        elif cell is not None:
            current = None
            if cell is not GAP:
                reasons[place] = INCOMPLETE
        elif period is None:
            reasons[place] = LEFT_OUT
        elif current is None:
            reasons[place] = NOTHING_BEFORE
        else:
            current.following.append(place)
    return Times(_place(told, len(cells), clock, period, within, rows, reasons), reasons)


class _Told(NamedTuple):
    """A clock that was told: the place of its row, what it may stand for, and the rows that count from it."""

    place: int
    octets: bytes
    candidates: tuple[datetime, ...]
    following: list[int]


def _place(
    told: Sequence[_Told],
    count: int,
    clock: MeterClock,
    period: CapturePeriod | None,
    within: Within | None,
    rows: Sequence[object],
    reasons: dict[int, str],
) -> list[datetime | None]:
    if any(len(each.candidates) > 1 for each in told):
        firsts = _Chooser(told, clock, period, within, rows).choose()
    else:
        firsts = [each.candidates[0] for each in told]
    moments: list[datetime | None] = [None] * count
    direction = 0
    for each, first in zip(told, firsts, strict=True):
        moments[each.place] = first
        if each.following:
            assert period is not None
            direction = direction or _find_direction(firsts)
            for number, place in enumerate(each.following, start=1):
                try:
                    moments[place] = period.advance(first, number * direction, clock.zone)
                except (OverflowError, ValueError):
                    reasons[place] = OUT_OF_CALENDAR
    return moments


def _find_direction(firsts: Sequence[datetime]) -> int:
    """-1 if the clocks that were told go back in time all the way, else 1."""
    return -1 if len(firsts) > 1 and all(later < earlier for earlier, later in pairwise(firsts)) else 1


class _Chooser:
    """Chooses among the times that clocks may stand for."""

    def __init__(
        self,
        told: Sequence[_Told],
        clock: MeterClock,
        period: CapturePeriod | None,
        within: Within | None,
        rows: Sequence[object],
    ) -> None:
        self._told = told
        self._clock = clock
        self._within = within
        self._rows = rows
        self._step = 0.0
        if period is not None:
            # Of months only their order counts: an hour more or less between them tells nothing.
            self._step = float(period.seconds or period.days * DAY_SECONDS)

    def choose(self) -> list[datetime]:
        """One time for each clock."""
        ways = [self._find_way(1)]
        if len(self._told) > 1:
            ways.append(self._find_way(-1))
        cost, chosen = min(ways, key=lambda way: way[0])
        if cost >= _DISORDER and self._step:
            return self._choose_without_order()
        return chosen

    def _find_way(self, direction: int) -> tuple[float, list[datetime]]:
        """The cheapest choice if rows come in the order of time (1) or its reverse (-1), and its cost."""
        told = self._told
        ways: list[tuple[float, _Chain]] = [
            (self._judge(told[0], moment, direction), (moment, None)) for moment in told[0].candidates
        ]
        for before, each in pairwise(told):
            ways = [
                min(
                    (
                        (
                            cost + self._judge_pair(before, each, chain[0], moment, direction),
                            (moment, chain),
                        )
                        for cost, chain in ways
                    ),
                    key=lambda way: way[0],
                )
                for moment in each.candidates
            ]
        cost, chain = min(ways, key=lambda way: way[0])
        chosen: list[datetime] = []
        link: _Chain | None = chain
        while link is not None:
            chosen.append(link[0])
            link = link[1]
        return cost, chosen[::-1]

    def _judge_pair(
        self, before: _Told, each: _Told, earlier: datetime, moment: datetime, direction: int
    ) -> float:
        """What speaks against ``moment`` after a row at ``earlier`` and others that follow it."""
        cost = self._judge(each, moment, direction)
        gap = (moment - earlier).total_seconds() * direction - self._step * len(before.following)
        if gap < 0 or (gap == 0 and self._step and not self._is_repeated(before, each)):
            return cost + _DISORDER
        return cost + abs(gap - self._step) if gap and self._step else cost

    def _judge(self, each: _Told, moment: datetime, direction: int) -> float:
        if len(each.candidates) < 2:
            return 0.0
        cost = 0.0 if moment == self._clock.decode(each.octets) else _AGAINST_FLAG
        following = direction * self._step * len(each.following)
        return cost + _OUTSIDE * max(self._find_distance(moment), self._find_distance(moment, following))

    def _find_distance(self, moment: datetime, seconds: float = 0.0) -> float:
        """Seconds by which the time ``seconds`` after ``moment`` is outside of what was asked for."""
        if self._within is None:
            return 0.0
        begin, end = self._within
        return max((begin - moment).total_seconds() - seconds, (moment - end).total_seconds() + seconds, 0.0)

    def _is_repeated(self, before: _Told, each: _Told) -> bool:
        """Whether it is the same row again, or the same time in a column that is not the clock of its row."""
        return not self._rows or self._rows[before.place] == self._rows[each.place]

    def _choose_without_order(self) -> list[datetime]:
        chosen = [each.candidates[0] for each in self._told]
        taken = {each.candidates[0] for each in self._told if len(each.candidates) == 1}
        groups: dict[tuple[datetime, ...], list[int]] = defaultdict(list)
        for number, each in enumerate(self._told):
            if len(each.candidates) > 1:
                groups[each.candidates].append(number)
        for candidates, members in groups.items():
            for member, moment in self._share(candidates, members, taken).items():
                chosen[member] = moment
        return chosen

    def _share(
        self, candidates: tuple[datetime, ...], members: Sequence[int], taken: set[datetime]
    ) -> dict[int, datetime]:
        """The times of clocks that show the same: each row has its own, repeated ones share it."""
        least = min(map(self._find_distance, candidates))
        free = [
            moment for moment in candidates if self._find_distance(moment) == least and moment not in taken
        ]
        distinct: list[list[int]] = []
        for member in members:
            for same in distinct:
                # More than two different rows are too many anyway.
                if len(distinct) > 2 or self._is_repeated(self._told[same[0]], self._told[member]):
                    same.append(member)
                    break
            else:
                distinct.append([member])
        by_flag = self._clock.decode(self._told[members[0]].octets) or candidates[0]
        if len(distinct) == 1 and len(free) > 1:
            free = [by_flag]
        moments = free or [by_flag]
        return {
            member: moments[min(number, len(moments) - 1)]
            for number, same in enumerate(distinct)
            for member in same
        }


_Chain = tuple[datetime, "_Chain | None"]
