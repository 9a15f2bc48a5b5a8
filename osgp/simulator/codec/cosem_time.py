"""COSEM date-time (Blue Book "Date and time formats"): 12 octets, most of which may be left open."""

import struct
from datetime import UTC, datetime, timedelta, timezone, tzinfo

from .errors import RemoteProtocolError

OCTETS = 12
DEVIATION_NOT_SPECIFIED = -0x8000
STATUS_DAYLIGHT_SAVING = 0x80

_LAYOUT = struct.Struct(">HBBBBBBBhB")
_NOTHING = timedelta()


def encode_date_time(moment: datetime) -> bytes:
    """The 12 octets of an aware ``moment`` in its own zone, weekday and daylight saving bit included."""
    offset = moment.utcoffset() or _NOTHING
    return _LAYOUT.pack(
        moment.year,
        moment.month,
        moment.day,
        moment.isoweekday(),
        moment.hour,
        moment.minute,
        moment.second,
        moment.microsecond // 10_000,
        -(offset.days * 1440 + offset.seconds // 60),
        STATUS_DAYLIGHT_SAVING if moment.dst() else 0,
    )


def decode_date_time(octets: bytes, zone: tzinfo) -> datetime:
    """The UTC moment of a COSEM date-time; without a deviation it is local time in ``zone``.

    RemoteProtocolError when it is not 12 octets or leaves date, hour or minute open. Seconds and hundredths
    that are left open count as zero; the weekday is not looked at.
    """
    if len(octets) != OCTETS:
        raise RemoteProtocolError("a date-time has 12 octets")
    year, month, day, _, hour, minute, second, hundredths, deviation, _ = _LAYOUT.unpack(octets)
    try:
        local = datetime(  # noqa: DTZ001 -- the zone follows from the deviation
            year,
            month,
            day,
            hour,
            minute,
            0 if second == 0xFF else second,
            0 if hundredths == 0xFF else hundredths * 10_000,
        )
        if deviation == DEVIATION_NOT_SPECIFIED:
            return local.replace(tzinfo=zone).astimezone(UTC)
        return local.replace(tzinfo=timezone(timedelta(minutes=-deviation))).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise RemoteProtocolError("a date-time is not fully specified or out of range") from error
