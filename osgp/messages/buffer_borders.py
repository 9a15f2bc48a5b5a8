"""Whether a meter counts the two borders of a range to it: what is known, and what its answers show.

The Blue Book has both in a range; seen in the field are meters that answer ``start < t <= end``, for example.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from osgp.catalogue.communication import RangeBorders
from osgp.cosem.row_times import Within
from osgp.messages.buffers import Buffer
from osgp.messages.visited_meter import VisitedMeter

HABIT = "range_borders"
_BEGIN_HABIT, _END_HABIT = "range_begin", "range_end"
_INCLUDED, _EXCLUDED = "INCLUDED", "EXCLUDED"
_CHECK = "range_borders"
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


class Borders:
    """The borders of one read of a buffer, of which each is counted to a range, or not, or is not known."""

    def __init__(self, meter: VisitedMeter, buffer: Buffer, begin: datetime, end: datetime) -> None:
        self._meter = meter
        self._period = buffer.period
        knowledge = meter.knowledge
        known = meter.settings.range_borders
        if known is None:
            parts = _parse(knowledge.find_habit(_BEGIN_HABIT)), _parse(knowledge.find_habit(_END_HABIT))
        else:
            parts = _PARTS[known]
        self._begin, self._end = parts
        is_short = self._period is not None and end <= self._advance(begin, _SHORT)
        self._is_widened = is_short or meter.earlier is not None
        """Whether the range is longer, while nothing is known: there may be rows at its borders alone; and on
        a bad line two rows too many are better than another request."""

    def move_begin(self, begin: datetime) -> datetime:
        """Where a range has to begin so that a row at ``begin`` comes."""
        return self._move(begin, -1, is_counted=self._begin)

    def move_end(self, end: datetime) -> datetime:
        """Where a range has to end so that a row at ``end`` comes."""
        return self._move(end, 1, is_counted=self._end)

    def _move(self, moment: datetime, count: int, *, is_counted: bool | None) -> datetime:
        if is_counted:
            return moment
        if self._period is not None:
            is_moved = is_counted is not None or self._is_widened
            return self._advance(moment, count) if is_moved else moment
        # Of rows without a period nobody can see that one is missing at the border.
        try:
            return moment + count * _INSTANT
        except OverflowError:
            return moment

    def _advance(self, moment: datetime, count: int) -> datetime:
        assert self._period is not None
        try:
            return self._period.advance(moment, count, self._meter.time_zone)
        except (OverflowError, ValueError):
            return moment

    def learn(self, times: Sequence[datetime], begin: datetime, end: datetime, within: Within) -> None:
        """Learn from the rows that came for a range from ``begin`` to ``end``, asked for as ``within``."""
        if self._period is None or not times:
            return
        if self._begin is None and within[0] == begin == times[0]:
            self._begin = True
        if self._end is None and within[1] == end == times[-1]:
            self._end = True
        self._keep()

    def list_missing(
        self, times: Sequence[datetime], begin: datetime, end: datetime, within: Within
    ) -> Iterator[Within]:
        """Yield ranges that surely have a row that is missing at the begin or the end, if the meter has it.

        Not more than once a day: a meter may have no older row, or not captured the last one yet. Rows that
        come show that the meter does not count the border: call :meth:`learn_excluded`.
        """
        knowledge, now = self._meter.knowledge, self._meter.visit_begin
        asks = self._find_asks(times, begin, end, within)
        if asks and knowledge.is_due(_CHECK, now):
            yield from asks
            # Once they were answered.
            knowledge.learn(_CHECK, {}, now)

    def _find_asks(
        self, times: Sequence[datetime], begin: datetime, end: datetime, within: Within
    ) -> list[Within]:
        needs_begin = self._begin is None and within[0] == begin
        needs_end = self._end is None and within[1] == end and end <= self._meter.visit_begin
        if self._period is None or not times or not (needs_begin or needs_end):
            return []
        asks: list[Within] = []
        first, last = times[0], times[-1]
        if needs_begin and begin < first == self._advance(begin, 1):
            asks.append((self._advance(begin, -1), first))
        if needs_end and end > last == self._advance(end, -1):
            asks.append((last, self._advance(end, 1)))
        return asks

    def learn_excluded(self, times: Sequence[datetime], begin: datetime, end: datetime) -> None:
        """Learn from the rows that came once there was asked for more."""
        if self._begin is None and times[0] == begin:
            self._begin = False
        if self._end is None and times[-1] == end:
            self._end = False
        self._keep()

    def _keep(self) -> None:
        knowledge = self._meter.knowledge
        if self._meter.settings.range_borders is not None:
            return
        for name, is_counted in ((_BEGIN_HABIT, self._begin), (_END_HABIT, self._end)):
            if is_counted is not None:
                knowledge.learn_habit(name, _INCLUDED if is_counted else _EXCLUDED)
        if self._begin is not None and self._end is not None:
            knowledge.learn_habit(HABIT, _BORDERS[self._begin, self._end])


def _parse(text: str | None) -> bool | None:
    return {_INCLUDED: True, _EXCLUDED: False}.get(text or "")
