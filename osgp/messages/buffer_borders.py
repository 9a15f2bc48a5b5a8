"""Whether a meter counts the two borders of a range to it: what is known, and what its answers show.

The Blue Book has both in a range; seen in the field are meters that answer ``start < t <= end``, for example.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from osgp.catalogue.communication import RangeBorders
from osgp.cosem.row_times import Within
from osgp.messages.buffers import Buffer
from osgp.messages.visited_meter import VisitedMeter

HABIT = "range_borders"
_BEGIN_HABIT, _END_HABIT = "range_begin", "range_end"
_INCLUDED, _EXCLUDED = "INCLUDED", "EXCLUDED"
_HABITS = (_BEGIN_HABIT, _END_HABIT)
_SHORT = 2
"""Periods of a range that may have rows at its borders alone."""
_INSTANT = timedelta(seconds=1)

_PARTS = {
    RangeBorders.BOTH: (True, True),
    RangeBorders.END: (False, True),
    RangeBorders.START: (True, False),
    RangeBorders.NEITHER: (False, False),
}
_BORDERS = {parts: borders for borders, parts in _PARTS.items()}


class Border:
    """One of the two borders of one read of a buffer: rows at it are counted to a range, or not, or that is
    not known."""

    def __init__(
        self, meter: VisitedMeter, buffer: Buffer, begin: datetime, end: datetime, *, is_begin: bool
    ) -> None:
        self._meter = meter
        self._period = buffer.period
        self._moment = begin if is_begin else end
        self._outward = -1 if is_begin else 1
        self._habit = _BEGIN_HABIT if is_begin else _END_HABIT
        known = meter.settings.range_borders
        if known is None:
            self._is_counted = _parse(meter.knowledge.find_habit(self._habit))
        else:
            self._is_counted = _PARTS[known][_HABITS.index(self._habit)]
        is_short = self._period is not None and end <= self._advance(begin, _SHORT)
        self._is_widened = is_short or meter.earlier is not None
        """Whether the range is longer, while nothing is known: there may be rows at its borders alone; and on
        a bad line two rows too many are better than another request."""

    @property
    def is_known(self) -> bool:
        """Whether there is nothing to find out."""
        return self._period is None or self._is_counted is not None

    def move(self) -> datetime:
        """Where a range has to begin, or end, so that a row at the border comes."""
        if self._is_counted:
            return self._moment
        if self._period is not None:
            is_moved = self._is_counted is not None or self._is_widened
            return self._advance(self._moment, self._outward) if is_moved else self._moment
        # Of rows without a period nobody can see that one is missing at the border.
        try:
            return self._moment + self._outward * _INSTANT
        except OverflowError:
            return self._moment

    def _advance(self, moment: datetime, count: int) -> datetime:
        assert self._period is not None
        try:
            return self._period.advance(moment, count, self._meter.time_zone)
        except (OverflowError, ValueError):
            return moment

    def learn(self, times: Sequence[datetime], bound: datetime) -> None:
        """Learn from the rows that came, in the order of time, for a range with that bound at the border."""
        if times and bound == self._moment == self._find_outermost(times):
            self._keep(is_counted=True)

    def find_missing(self, times: Sequence[datetime], bound: datetime) -> Within | None:
        """A range that surely has the row that is missing at the border, if the meter has it.

        None: no row is missing, or the meter was asked within a day (see :meth:`note_asked`): it may have no
        older row, or not captured the last one yet. A row that comes shows that the meter does not count
        the border: call :meth:`learn_excluded`.
        """
        moment, outward = self._moment, self._outward
        if self.is_known or not times:
            return None
        nearest = self._find_outermost(times)
        if bound != moment or nearest == moment or moment > self._meter.visit_begin:
            return None
        if nearest != self._advance(moment, -outward):
            return None
        if not self._meter.knowledge.is_due(self._habit, self._meter.visit_begin):
            return None
        beyond = self._advance(moment, outward)
        return min(beyond, nearest), max(beyond, nearest)

    def note_asked(self) -> None:
        """Note that the meter has answered when it was asked for what was missing."""
        self._meter.knowledge.learn(self._habit, {}, self._meter.visit_begin)

    def learn_excluded(self, times: Sequence[datetime]) -> None:
        """Learn from the rows that came once there was asked for more."""
        if self._find_outermost(times) == self._moment:
            self._keep(is_counted=False)

    def _find_outermost(self, times: Sequence[datetime]) -> datetime:
        return times[0 if self._outward < 0 else -1]

    def _keep(self, *, is_counted: bool) -> None:
        if self._is_counted is not None:
            return
        self._is_counted = is_counted
        knowledge = self._meter.knowledge
        knowledge.learn_habit(self._habit, _INCLUDED if is_counted else _EXCLUDED)
        begin, end = (_parse(knowledge.find_habit(each)) for each in _HABITS)
        if begin is not None and end is not None:
            knowledge.learn_habit(HABIT, _BORDERS[begin, end])


def _parse(text: str | None) -> bool | None:
    return {_INCLUDED: True, _EXCLUDED: False}.get(text or "")
