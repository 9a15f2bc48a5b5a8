"""How much energy was used in the low rate while a calendar was active."""

from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta, tzinfo
from itertools import pairwise

from .captures import find_midnight
from .tariff_calendar import LOW, Switch, TariffCalendar, list_switches

Measure = Callable[[float], int]
"""Energy in Wh at a moment of true time; never falls."""


class TariffPeriod:
    """From ``begin`` (true time) on a calendar decides on the rate, by a clock in ``zone`` that is ``offset``
    seconds ahead.

    ``low`` is what the low rate had reached by then, in Wh by direction. Sums of whole days are kept, since
    nothing that happens later changes them.
    """

    __slots__ = ("_first", "_sums", "begin", "calendar", "low", "offset", "zone")

    def __init__(
        self, begin: float, calendar: TariffCalendar, zone: tzinfo, offset: float, low: Mapping[str, int]
    ) -> None:
        self.begin = begin
        self.calendar = calendar
        self.zone = zone
        self.offset = offset
        self.low = low
        self._first = self._find_day(begin + offset)
        self._sums = {direction: [reached] for direction, reached in low.items()}

    def _find_day(self, stamp: float) -> date:
        day = datetime.fromtimestamp(stamp, self.zone).date()
        # A zone may set its clocks back over midnight: then the date alone says too little.
        if stamp >= find_midnight(day + timedelta(days=1), self.zone):
            return day + timedelta(days=1)
        if stamp < find_midnight(day, self.zone):
            return day - timedelta(days=1)
        return day

    def find_rate(self, moment: float) -> int:
        """The rate at a moment of true time: 0 low, 1 high."""
        stamp = moment + self.offset
        switches = list_switches(self.calendar, self._find_day(stamp), self.zone)
        return next((each.rate for each in reversed(switches) if each.stamp <= stamp), switches[0].rate)

    def count_low(self, direction: str, measure: Measure, moment: float) -> int:
        """What the low rate has reached in a direction, in Wh, at a moment not before ``begin``."""
        stamp = moment + self.offset
        number = (self._find_day(stamp) - self._first).days
        sums = self._sums[direction]
        while len(sums) <= number:
            sums.append(sums[-1] + self._count_day(len(sums) - 1, measure, float("inf")))
        return sums[number] + self._count_day(number, measure, stamp)

    def _count_day(self, number: int, measure: Measure, until: float) -> int:
        """The energy in the low rate of a day, up to ``until`` by the meter's clock."""
        day = self._first + timedelta(days=number)
        following = Switch(find_midnight(day + timedelta(days=1), self.zone), LOW)
        counted = 0
        for switch, after in pairwise((*list_switches(self.calendar, day, self.zone), following)):
            first, last = max(switch.stamp, self.begin + self.offset), min(after.stamp, until)
            if switch.rate == LOW and first < last:
                counted += measure(last - self.offset) - measure(first - self.offset)
        return counted
