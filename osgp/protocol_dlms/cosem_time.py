"""COSEM date-time, the 12 octets of Blue Book 4.1.6.1: year, month, day, weekday, hour, minute, second,
hundredths, deviation, clock status.

The deviation counts the minutes *from* local time *to* UTC: local = UTC - deviation, so -60 is Central
European winter time. Any field may be left unspecified.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache

from osgp.protocol_dlms.errors import DecodeError, EncodeError

UNSPECIFIED = 0xFF
YEAR_UNSPECIFIED = 0xFFFF
DEVIATION_UNSPECIFIED = -0x8000
STANDARD_DEVIATION_LIMIT = 720
"""The largest deviation of the Blue Book."""
DEVIATION_LIMIT = 840
"""The largest there is: places up to 14 hours ahead of UTC exist, and meters there tell it."""

STATUS_INVALID = 0x01
STATUS_DOUBTFUL = 0x02
STATUS_DIFFERENT_CLOCK_BASE = 0x04
STATUS_INVALID_CLOCK_STATUS = 0x08
STATUS_DAYLIGHT_SAVING = 0x80
STATUS_UNSPECIFIED = 0xFF

LENGTH = 12


@dataclass(frozen=True, slots=True)
class CosemDateTime:
    """A COSEM date-time, wildcards included.

    ``month`` and ``day`` may also hold 0xFD and 0xFE (month: daylight saving ends, begins; day: second last,
    last day of the month); ``weekday`` is 1 (Monday) to 7. ``hundredths`` counts hundredths of a second.
    ``deviation`` is in minutes, -840 to 840, or ``DEVIATION_UNSPECIFIED``.
    """

    year: int = YEAR_UNSPECIFIED
    month: int = UNSPECIFIED
    day: int = UNSPECIFIED
    weekday: int = UNSPECIFIED
    hour: int = UNSPECIFIED
    minute: int = UNSPECIFIED
    second: int = UNSPECIFIED
    hundredths: int = UNSPECIFIED
    deviation: int = DEVIATION_UNSPECIFIED
    status: int = STATUS_UNSPECIFIED

    @classmethod
    def from_datetime(cls, moment: datetime, zone: tzinfo = UTC) -> "CosemDateTime":
        """Return an aware ``moment`` as local time in ``zone``: weekday unspecified, DST in the status.

        Raises :class:`EncodeError` for a naive datetime, and for a zone more than 14 hours from UTC or not
        whole minutes from it. Beyond 12 hours not every meter takes the deviation.
        """
        if moment.tzinfo is None:
            raise EncodeError("a date-time needs a time zone")
        try:
            local = moment.astimezone(zone)
        except OverflowError as error:
            raise EncodeError("the date-time is out of range in its zone") from error
        offset = local.utcoffset() or timedelta()
        minutes, rest = divmod(offset, timedelta(minutes=1))
        if rest or abs(minutes) > DEVIATION_LIMIT:
            raise EncodeError(f"a deviation cannot express the UTC offset {offset}")
        return cls(
            year=local.year,
            month=local.month,
            day=local.day,
            hour=local.hour,
            minute=local.minute,
            second=local.second,
            hundredths=local.microsecond // 10_000,
            deviation=-minutes,
            status=STATUS_DAYLIGHT_SAVING if _is_daylight_saving(local) else 0,
        )

    @classmethod
    def from_bytes(cls, octets: bytes) -> "CosemDateTime":
        """Return the date-time at the start of ``octets``; ignores further octets, which some meters send.

        Raises :class:`DecodeError` for less than 12 octets. Fields out of range are accepted; they make
        :meth:`to_datetime` return None.
        """
        if len(octets) < LENGTH:
            raise DecodeError(f"a date-time has {LENGTH} octets, not {len(octets)}")
        return cls(
            int.from_bytes(octets[0:2], "big"),
            octets[2],
            octets[3],
            octets[4],
            octets[5],
            octets[6],
            octets[7],
            octets[8],
            int.from_bytes(octets[9:11], "big", signed=True),
            octets[11],
        )

    def turn_deviation(self) -> "CosemDateTime":
        """Return the same with the opposite sign of the deviation, which must be specified."""
        return replace(self, deviation=-self.deviation)

    def to_bytes(self) -> bytes:
        """Return the 12 octets. Raises :class:`EncodeError` if a field is out of range."""
        fields = (self.month, self.day, self.weekday, self.hour, self.minute, self.second, self.hundredths)
        deviation = self.deviation
        if abs(deviation) > DEVIATION_LIMIT and deviation != DEVIATION_UNSPECIFIED:
            raise EncodeError(f"a deviation of {deviation} minutes")
        try:
            return (
                self.year.to_bytes(2, "big")
                + bytes(fields)
                + deviation.to_bytes(2, "big", signed=True)
                + bytes((self.status,))
            )
        except (OverflowError, ValueError) as error:
            raise EncodeError("a field of the date-time is out of range") from error

    @property
    def is_daylight_saving(self) -> bool:
        """Whether the clock status has the flag daylight saving active."""
        return self.status != STATUS_UNSPECIFIED and bool(self.status & STATUS_DAYLIGHT_SAVING)

    @property
    def is_invalid(self) -> bool:
        """Whether the clock status has the flag invalid value (after a loss of power, for example)."""
        return self.status != STATUS_UNSPECIFIED and bool(self.status & STATUS_INVALID)

    def to_datetime(self) -> datetime | None:
        """Return the time in UTC; None unless date, hour, minute and deviation are specified and valid.

        Unspecified seconds and hundredths count as zero. The weekday is ignored.
        """
        if not -DEVIATION_LIMIT <= self.deviation <= DEVIATION_LIMIT:
            return None
        second = 0 if self.second == UNSPECIFIED else self.second
        hundredths = 0 if self.hundredths == UNSPECIFIED else self.hundredths
        try:
            local = datetime(
                self.year, self.month, self.day, self.hour, self.minute, second, hundredths * 10_000, UTC
            )
            return local + timedelta(minutes=self.deviation)
        except (ValueError, OverflowError):
            return None


def _is_daylight_saving(local: datetime) -> bool:
    """Return whether clocks are ahead of standard time, which for a meter is the earlier of the two times.

    Some zones define it the other way round: Irish standard time is that of the summer, and winter has a
    daylight saving of minus one hour.
    """
    saving = local.dst() or timedelta()
    assert local.tzinfo is not None
    return saving > _find_least_saving(local.tzinfo, local.year)


@lru_cache(maxsize=1024)
def _find_least_saving(zone: tzinfo, year: int) -> timedelta:
    """Return the negative daylight saving that a zone has at some time of the year, else zero."""
    middles = (datetime(year, month, 15, 12, tzinfo=zone) for month in range(1, 13))
    return min(timedelta(), *(middle.dst() or timedelta() for middle in middles))
