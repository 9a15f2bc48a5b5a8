"""Reading the rows of a buffer in slices, at the pace of the meter and within the time of the session.

Whatever a meter sends within what was asked for in all is kept, once: meters include or exclude the borders
of a range, answer more than was asked, and send the newest row first, or in no order (all seen in the field).
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial

from osgp.catalogue import CaptureColumn
from osgp.cosem.profile_rows import Row
from osgp.cosem.row_times import Within
from osgp.faults import Fault
from osgp.messages.buffer_access import MOST_ENTRIES, Answer, BufferAccess, Way, is_refusal
from osgp.messages.buffer_borders import Border
from osgp.messages.buffer_rows import BufferRows, Collection, Seen, WantedColumn
from osgp.messages.buffers import Buffer, find_clock, find_period_step
from osgp.messages.visited_meter import VisitedMeter
from osgp.protocol_dlms import errors

FIRST_ROWS, LEAST_ROWS, MOST_ROWS = 150, 20, 1_000
"""Rows that are asked for at a time: at first, and at least and at most once the meter's pace is known."""
SLICE_SECONDS = 30.0
"""Duration of a slice. A long buffer, or one that does not fit into one answer, comes in parts."""
_FIRST, _LAST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
"""No meter has rows from before, and none will have any from after."""
SPARE_ENTRIES = 5
"""Rows more than the period says that a buffer may have had since a time: clocks that were set."""


def read_buffer(
    meter: VisitedMeter,
    buffer: Buffer,
    wanted: Sequence[WantedColumn],
    begin: datetime,
    end: datetime,
    *,
    is_sent: Callable[[CaptureColumn], bool] = lambda column: True,
    one_per_time: bool = True,
    describe_row: Callable[[Row], str] = lambda row: "",
) -> BufferRows:
    """The rows from ``begin`` to ``end``, both included.

    ``buffer`` is as the meter describes it; ``is_sent`` says which of its columns are asked for where the
    meter can select some; ``one_per_time`` is not so for logs, which may have several rows of a second.
    ``describe_row`` adds to the reason for which a row is rejected. A fault is raised if no row has come
    before; else the rows have it, whether the meter was lost or only declined to go on.
    """
    reading = _prepare(meter, buffer, wanted, begin, end, is_sent, describe_row, one_per_time=one_per_time)
    return _read(meter, reading, reading.read)


def read_whole_buffer(meter: VisitedMeter, buffer: Buffer, wanted: Sequence[WantedColumn]) -> BufferRows:
    """All rows of a short buffer, such as a log, see :func:`read_buffer`."""
    reading = _prepare(
        meter, buffer, wanted, _FIRST, _LAST, lambda column: True, lambda row: "", one_per_time=False
    )
    return _read(meter, reading, reading.read_whole)


def _prepare(
    meter: VisitedMeter,
    buffer: Buffer,
    wanted: Sequence[WantedColumn],
    begin: datetime,
    end: datetime,
    is_sent: Callable[[CaptureColumn], bool],
    describe_row: Callable[[Row], str],
    *,
    one_per_time: bool,
) -> "_Reading":
    clock = find_clock(buffer.columns, meter.find_attribute("CLOCK", "time"), buffer.tag)
    needed = {clock, *(each.column for each in wanted)}
    named = [column for column in buffer.columns if column in needed or is_sent(column)]
    collection = Collection(
        meter,
        buffer.tag,
        buffer.period,
        wanted,
        clock,
        begin,
        end,
        one_per_time=one_per_time,
        describe_row=describe_row,
    )
    return _Reading(meter, buffer, named, collection, begin, end)


def _read(meter: VisitedMeter, reading: "_Reading", read: Callable[[], None]) -> BufferRows:
    begin = reading.complete_until
    fault: Fault | None = None
    try:
        read()
    except errors.DlmsError as error:
        if not reading.collection:
            raise
        fault = error
    if reading.collection.has_odd_rows:
        # The meter may have been set up in another way since it was asked.
        meter.knowledge.forget_checks()
    # Of times to come nothing is complete.
    complete_until = min(reading.complete_until, max(begin, meter.visit_begin))
    return reading.collection.finish(complete_until, fault)


class _Reading:
    """A read of a buffer, answer by answer."""

    def __init__(
        self,
        meter: VisitedMeter,
        buffer: Buffer,
        named: Sequence[CaptureColumn],
        collection: Collection,
        begin: datetime,
        end: datetime,
    ) -> None:
        self.complete_until = begin
        self._meter = meter
        self._buffer = buffer
        self._named = named
        self.collection = collection
        self._begin = begin
        self._end = end
        self._access = BufferAccess(meter, buffer.tag, buffer.columns, named)
        self._size = FIRST_ROWS
        self._seconds_per_row = 0.0
        self._entry: int | None = None
        """The entry after which there may be rows later than ``complete_until``, if entries are read."""

    def read(self) -> None:
        """Read what there is time for, in the way that has worked before, else in any that works."""
        way, is_sure = self._access.find_way()
        refusals: list[Fault] = []
        is_range_tried = False
        if way is Way.RANGE or not is_sure:
            try:
                self._read_by_range(briefly=way is not Way.RANGE)
            except errors.DlmsError as error:
                if not is_refusal(self._meter, error):
                    raise
                is_range_tried = True
                refusals.append(error)
            else:
                self._access.keep_way(Way.RANGE, is_sure=True)
                return
        if way is not Way.WHOLE:
            try:
                self._read_by_entries()
            except Fault as fault:
                if not _is_about_access(self._meter, fault):
                    self._keep_place()
                    raise
                refusals.append(fault)
            else:
                self._access.keep_way(Way.ENTRIES, is_sure=bool(self.collection))
                self._access.forget_entry()
                return
        try:
            self._take_whole()
        except errors.DlmsError as error:
            if not is_refusal(self._meter, error):
                raise
            if not is_range_tried:
                # What worked before does not any more: the next attempt finds out anew.
                self._access.keep_way(Way.RANGE, is_sure=True)
            raise _choose_refusal([*refusals, error]) from None
        self._access.keep_way(Way.WHOLE, is_sure=bool(self.collection))

    def read_whole(self) -> None:
        """Read the whole buffer, if the meter gives it; else what is in it in another way."""
        ways: dict[Way, Callable[[], None]] = {
            Way.WHOLE: self._take_whole,
            Way.ENTRIES: self._read_by_entries,
            Way.RANGE: partial(self._read_by_range, briefly=False),
        }
        known = self._access.find_whole_way()
        refusals: list[Fault] = []
        for way in (known, *(each for each in ways if each is not known)):
            try:
                ways[way]()
            except Fault as fault:
                if not _is_about_access(self._meter, fault):
                    raise
                refusals.append(fault)
            else:
                self._access.keep_whole_way(way)
                return
        raise _choose_refusal(refusals)

    def _take_whole(self) -> None:
        self.collection.take(self._access.ask_whole(), self._named)
        self.complete_until = self._end

    # Ranges of time

    def _read_by_range(self, *, briefly: bool) -> None:
        """Read slice by slice; each begins where the rows in hand end, so that no border matters."""
        meter, buffer, begin, end = self._meter, self._buffer, self._begin, self._end
        begins = Border(meter, buffer, begin, end, is_begin=True)
        ends = Border(meter, buffer, begin, end, is_begin=False)
        start, count, is_last = begin, 0, False
        while not is_last:
            count += self._size
            until, is_last = self._find_slice_end(count)
            first = begins.move() if start == begin else start
            last = ends.move() if is_last else until
            answer = self._ask(partial(self._access.ask_range, first, last, briefly=briefly))
            asked = answer.within or (first, last)
            moments = self.collection.take(answer, self._named).moments
            if moments:
                if start == begin:
                    # Before anything is complete: once the line is lost nobody asks for that row any more.
                    self._complete_border(begins, asked[0])
                latest = max(moments)
                is_last |= self._has_rest(moments, until)
                start = self.complete_until = max(start, min(latest, until))
            if not is_last and self._must_end():
                return
        self._complete_border(ends, asked[1])
        self.complete_until = end

    def _find_slice_end(self, count: int) -> tuple[datetime, bool]:
        """``count`` rows after the begin, and whether that is the end; the end if the period is unknown."""
        period = self._buffer.period
        if period is not None:
            try:
                until = period.advance(self._begin, count, self._meter.time_zone)
            except OverflowError:
                until = self._end
            if until < self._end:
                return until, False
        return self._end, True

    def _has_rest(self, moments: Sequence[datetime], until: datetime) -> bool:
        """Whether the rows after ``until`` came as well: some meters answer more than they were asked for.

        A few of them may only be of a clock that was ahead for a while.
        """
        step, end = find_period_step(self._buffer.period), self._end
        if step is None or max(moments) < end:
            return False
        return 2 * sum(until < moment <= end for moment in set(moments)) * step >= end - until

    def _complete_border(self, border: Border, bound: datetime) -> None:
        """Ask once for a row at a border that did not come with that bound although it should be there."""
        if border.is_known:
            return
        times = self.collection.list_times()
        border.learn(times, bound)
        missing = border.find_missing(times, bound)
        if missing is None:
            return
        try:
            answer = self._access.ask_beyond(*missing)
        except errors.DlmsError as error:
            if not is_refusal(self._meter, error):
                raise
        else:
            self.collection.take(answer, self._named)
        border.note_asked()
        border.learn_excluded(self.collection.list_times())

    # Entries by number

    def _read_by_entries(self) -> None:
        """Read the entries since the begin: the period tells how many there may be, their times the rest.

        If entries are in no order, any of them may be of the time: all are read.
        """
        count = self._access.count_entries()
        begin, end = self.complete_until, self._end
        step = find_period_step(self._buffer.period)
        known = self._access.find_entry(begin) if step is None else None
        low = max(count - self._count_periods_since(begin) + 1, 1)
        if known is not None:
            # Here the attempt before lost the meter; a full log has moved by each row since then.
            low = max(min(known, count) - LEAST_ROWS, 1)
        lowest, position = low, low
        earliest: datetime | None = None
        latest: datetime | None = None
        before: datetime | None = None
        following: Within | None = None
        while position <= count:
            last = min(position + self._size - 1, count)
            # The last one again: meanwhile a new row may have moved all of a full buffer by one.
            seen = self._take_entries(max(position - 1, low), last, following)
            position = last + 1
            if seen:
                rises = before is not None and before <= seen.earliest
                is_mixed = seen.is_mixed and not rises
                earliest, latest = _join(seen, earliest, latest)
                while lowest > 1 and begin < earliest and not is_mixed:
                    # There were more rows than the period says.
                    first = max(lowest - self._size, 1)
                    # If the meter is lost now: so far back that what comes next also goes beyond this.
                    self._entry = max(lowest - FIRST_ROWS // 2, 1)
                    older = self._take_entries(first, lowest - 1)
                    lowest = first
                    if older:
                        earliest, latest = _join(older, earliest, latest)
                        is_mixed = older.is_mixed
                    if self.collection.is_full:
                        # Before these there are rows that did not come.
                        return
                if is_mixed:
                    self._read_without_order(begin, (1, lowest - 1), (position, count))
                    return
                is_oldest = before is None and lowest == 1 and seen.rises
                is_near = step is not None and earliest - begin <= step
                if rises or is_oldest or is_near or earliest <= begin:
                    # Nothing between the begin and these rows is missing.
                    self.complete_until = max(begin, min(latest, end))
                    self._entry = last
                if (rises and seen.earliest > end) or (seen.rises and seen.past_end >= LEAST_ROWS):
                    break
                before = seen.latest
                following = (before, _LAST) if rises else None
            if position <= count and self._must_end():
                return
        position = 1
        while position < lowest and known is None and (latest is None or latest < end):
            # Where entry 1 is the newest, it has the rows that are missing.
            last = min(position + self._size - 1, lowest - 1)
            seen = self._take_entries(position, last)
            position = last + 1
            if seen and seen.is_mixed:
                self._read_without_order(begin, (position, lowest - 1))
                return
            if not seen or seen.earliest <= begin:
                break
            if self._must_end():
                return
        self.complete_until = end

    def _read_without_order(self, begin: datetime, *others: tuple[int, int]) -> None:
        """Read the other entries, from first to last of each part, after some that are in no order."""
        self.complete_until, self._entry = begin, None
        for first, last in others:
            while first <= last:
                until = min(first + self._size - 1, last)
                # One before them again: meanwhile a new row may have moved them by one.
                self._take_entries(max(first - 1, 1), until)
                first = until + 1
                if self._must_end():
                    return
        self.complete_until = self._end

    def _take_entries(self, first: int, last: int, within: Within | None = None) -> Seen | None:
        """Take entries; return what their times are, if any has one."""
        answer = self._ask(partial(self._access.ask_entries, first, last))
        answered = self.collection.take(answer._replace(within=within), self._named)
        return Seen.of(answered.moments, self._end)

    def _keep_place(self) -> None:
        """Have the next attempt go on by number, after the entries that came before the meter was lost."""
        if self._entry is not None:
            self._access.keep_way(Way.ENTRIES, is_sure=bool(self.collection))
            if self._buffer.period is None:
                self._access.keep_entry(self._entry, self.complete_until)

    def _count_periods_since(self, moment: datetime) -> int:
        """How many rows there may be since then; more than a meter holds if that is unknown."""
        step = find_period_step(self._buffer.period)
        if step is None:
            return MOST_ENTRIES
        return min(int((self._meter.visit_begin - moment) / step) + SPARE_ENTRIES, MOST_ENTRIES)

    # Pace

    def _ask(self, ask: Callable[[], Answer]) -> Answer:
        """Ask for a slice, and find the size of the next one from the pace of the meter."""
        seconds_left = self._meter.association.seconds_left
        answer = ask()
        seconds = seconds_left - self._meter.association.seconds_left
        self._seconds_per_row = max(seconds, 0.001) / self._size
        self._size = min(max(int(SLICE_SECONDS / self._seconds_per_row), LEAST_ROWS), MOST_ROWS)
        return answer

    def _must_end(self) -> bool:
        """Whether there is no time for more, or no room: the result says how far it is complete."""
        is_out_of_time = self._meter.association.seconds_left < 2 * self._size * self._seconds_per_row
        return is_out_of_time or self.collection.is_full


def _join(seen: Seen, earliest: datetime | None, latest: datetime | None) -> tuple[datetime, datetime]:
    return min(seen.earliest, earliest or seen.earliest), max(seen.latest, latest or seen.latest)


def _choose_refusal(refusals: Sequence[Fault]) -> Fault:
    """The first one; one that may pass goes before, such as that of a meter that has lost the association."""
    return next((each for each in refusals if each.retryable), refusals[0])


def _is_about_access(meter: VisitedMeter, fault: Fault) -> bool:
    """Whether the meter does not give entries by number, or does not say how many there are."""
    if isinstance(fault, errors.DlmsError) and not isinstance(fault, errors.IllegalResponse):
        return is_refusal(meter, fault)
    return meter.association.is_open
