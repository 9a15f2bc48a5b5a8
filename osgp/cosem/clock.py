"""Date-times as meters send and accept them."""

import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache

from osgp.catalogue.communication import DeviationSign
from osgp.cosem.errors import make_illegal_response
from osgp.protocol_dlms import CosemDateTime, Data, DataType
from osgp.protocol_dlms.cosem_time import (
    DEVIATION_LIMIT,
    DEVIATION_UNSPECIFIED,
    LENGTH,
    STANDARD_DEVIATION_LIMIT,
    STATUS_DAYLIGHT_SAVING,
    STATUS_UNSPECIFIED,
    UNSPECIFIED,
)
from osgp.protocol_dlms.errors import EncodeError

# year, month, day, weekday, hour, minute, second, hundredths, deviation, clock status
_FIELDS = struct.Struct(">H7BhB").unpack_from


@dataclass(frozen=True, slots=True)
class MeterClock:
    """How one meter tells times: where it is, and with which sign its deviations are.

    Date-times without deviation (8000), as most Kamstrup, Kaifa and Landis+Gyr meters send, are local time of
    ``zone``.
    """

    zone: tzinfo
    sign: DeviationSign = DeviationSign.STANDARD

    def list_candidates(self, octets: bytes) -> tuple[datetime, ...]:
        """Return the UTC times that a date-time of 12 octets may stand for, the earlier first.

        Further octets are ignored. Empty if it is incomplete; two only within the hour that autumn repeats,
        without deviation, if the clock status does not say that daylight saving is active: many meters leave
        that flag out.
        """
        if len(octets) < LENGTH:
            return ()
        year, month, day, _, hour, minute, second, hundredths, deviation, status = _FIELDS(octets)
        second = 0 if second == UNSPECIFIED else second
        hundredths = 0 if hundredths == UNSPECIFIED else hundredths
        try:
            local = datetime(year, month, day, hour, minute, second, hundredths * 10_000, UTC)
            if -DEVIATION_LIMIT <= deviation <= DEVIATION_LIMIT:
                if self.sign is DeviationSign.OPPOSITE:
                    deviation = -deviation
                return (local + _make_minutes(deviation),)
            if deviation != DEVIATION_UNSPECIFIED:
                return ()
            earlier, later = (local.replace(tzinfo=self.zone, fold=fold) for fold in (0, 1))
            if earlier.utcoffset() == later.utcoffset():
                return (earlier.astimezone(UTC),)
            is_summer = status != STATUS_UNSPECIFIED and bool(status & STATUS_DAYLIGHT_SAVING)
            return _choose_of_change(earlier, later, is_summer=is_summer)
        except (ValueError, OverflowError):
            return ()

    def decode(self, octets: bytes, near: datetime | None = None) -> datetime | None:
        """Return the UTC time of a date-time of 12 octets, None if it is incomplete.

        Further octets are ignored. Of two candidates that which is nearer to ``near``; without it the later
        one if the clock status says that daylight saving is not active, else the earlier one.
        """
        candidates = self.list_candidates(octets)
        if len(candidates) < 2:
            return candidates[0] if candidates else None
        if near is not None:
            return min(candidates, key=lambda moment: abs(moment - near))
        return candidates[octets[LENGTH - 1] != STATUS_UNSPECIFIED]

    def parse(self, data: Data, name: str, near: datetime | None = None) -> datetime:
        """Return a clock value in UTC, see :meth:`decode`.

        Raises Fault unless it is a date-time with date, hour and minute.
        """
        if not isinstance(data.value, bytes) or len(data.value) < LENGTH:
            raise make_illegal_response(f"{name} is not a date-time.")
        told = self.decode(data.value, near)
        if told is None:
            raise make_illegal_response(f"{name} does not tell a complete time.")
        return told

    def turn(self, told: CosemDateTime) -> CosemDateTime:
        """Return a date-time with its deviation as the meter has it."""
        if self.sign is DeviationSign.STANDARD or told.deviation == DEVIATION_UNSPECIFIED:
            return told
        return told.turn_deviation()

    def turn_minutes(self, minutes: int) -> int:
        """Return minutes from local time to UTC as the meter counts them, or back."""
        return minutes if self.sign is DeviationSign.STANDARD else -minutes

    def encode(self, moment: datetime) -> Data:
        """Return ``moment`` as an octet-string, which all meters accept: local time, weekday unspecified.

        In UTC where the zone is more than 12 hours from UTC, a deviation that the Blue Book does not have.
        """
        try:
            told = CosemDateTime.from_datetime(moment, self.zone)
        except EncodeError:
            told = CosemDateTime.from_datetime(moment, UTC)
        if abs(told.deviation) > STANDARD_DEVIATION_LIMIT:
            told = CosemDateTime.from_datetime(moment, UTC)
        return Data(DataType.OCTET_STRING, self.turn(told).to_bytes())


def _choose_of_change(earlier: datetime, later: datetime, *, is_summer: bool) -> tuple[datetime, ...]:
    """The candidates where clocks change. ``earlier`` and ``later`` are local times with fold 0 and 1.

    In autumn fold 0 is summer time, and the hour comes twice; in spring it is that of winter, and clocks
    show the hour only if they are late to change.
    """
    in_summer, in_winter = sorted((earlier, later), key=_get_offset, reverse=True)
    if is_summer:
        return (in_summer.astimezone(UTC),)
    if _get_offset(earlier) < _get_offset(later):
        return (in_winter.astimezone(UTC),)
    return in_summer.astimezone(UTC), in_winter.astimezone(UTC)


def _get_offset(local: datetime) -> timedelta:
    return local.utcoffset() or timedelta()


def parse_date_time(data: Data, name: str) -> CosemDateTime:
    """Return a clock value, wildcards included. Raises Fault unless it is a date-time."""
    if not isinstance(data.value, bytes) or len(data.value) < LENGTH:
        raise make_illegal_response(f"{name} is not a date-time.")
    return CosemDateTime.from_bytes(data.value)


def decode_utc(octets: bytes, zone: tzinfo) -> datetime | None:
    """Return the UTC time of a date-time in the clock of ``zone``, see :meth:`MeterClock.decode`."""
    return MeterClock(zone).decode(octets)


@cache
def _make_minutes(deviation: int) -> timedelta:
    return timedelta(minutes=deviation)
