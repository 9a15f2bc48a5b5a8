"""Stamps that a row leaves out because a client can derive them: the one of the row before, and a period."""

from collections.abc import Callable
from datetime import datetime, timedelta, tzinfo

from ..codec.axdr import NULL_DATA, decode
from ..codec.cosem_time import decode_date_time
from ..codec.errors import RemoteProtocolError
from .rows import Row

_ROUNDING = 0.001
"""Seconds. Stamps are sums of floats, and tell hundredths."""


class StampColumn:
    """The values of one column of stamps, to be made row by row.

    ``period`` in seconds; 0 means from one first of a month to the next. A stamp is left out if it is that of
    the row before plus the period, and there was one: not in the first row, not after a gap, a clock shift or
    a row without a stamp.
    """

    def __init__(self, make: Callable[[Row], bytes], period: int, zone: tzinfo) -> None:
        self._make = make
        self._period = period
        self._zone = zone
        self._before: float | None = None

    def __call__(self, row: Row) -> bytes:
        """The value of the next row."""
        encoded = self._make(row)
        before, self._before = self._before, self._read(encoded)
        return NULL_DATA if self._follows(before, self._before) else encoded

    def _read(self, encoded: bytes) -> float | None:
        """UNIX time, None for what is no stamp."""
        octets = decode(encoded).value
        if not isinstance(octets, bytes):
            return None
        try:
            return decode_date_time(octets, self._zone).timestamp()
        except RemoteProtocolError:
            return None

    def _follows(self, before: float | None, stamp: float | None) -> bool:
        if before is None or stamp is None:
            return False
        if self._period:
            return abs(stamp - before - self._period) < _ROUNDING
        earlier, later = (datetime.fromtimestamp(each, self._zone) for each in (before, stamp))
        following = (earlier.replace(day=1) + timedelta(days=32)).replace(day=earlier.day)
        return earlier.day == 1 and following.replace(tzinfo=None) == later.replace(tzinfo=None)
