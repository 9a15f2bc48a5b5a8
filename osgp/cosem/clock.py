"""Date-times as meters send and accept them."""

import struct
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache

from osgp.cosem.errors import make_illegal_response
from osgp.protocol_dlms import CosemDateTime, Data, DataType
from osgp.protocol_dlms.cosem_time import (
    DEVIATION_LIMIT,
    DEVIATION_UNSPECIFIED,
    LENGTH,
    STATUS_DAYLIGHT_SAVING,
    STATUS_UNSPECIFIED,
    UNSPECIFIED,
)
from osgp.protocol_dlms.errors import DecodeError, EncodeError

# year, month, day, weekday, hour, minute, second, hundredths, deviation, clock status
_FIELDS = struct.Struct(">H7BhB").unpack_from


def parse_date_time(data: Data, name: str) -> CosemDateTime:
    """Return a clock value, wildcards included. Raises Fault unless it is a date-time."""
    if not isinstance(data.value, bytes):
        raise make_illegal_response(f"{name} is not a date-time.")
    try:
        return CosemDateTime.from_bytes(data.value)
    except (ValueError, DecodeError):
        raise make_illegal_response(f"{name} is not a date-time.") from None


def parse_complete_time(data: Data, name: str) -> datetime:
    """Return a clock value in UTC. Raises Fault unless date, hour, minute and deviation are specified."""
    complete = parse_date_time(data, name).to_datetime()
    if complete is None:
        raise make_illegal_response(f"{name} does not tell a complete time.")
    return complete


def decode_utc(octets: bytes, zone: tzinfo) -> datetime | None:
    """Return the UTC time of a date-time of 12 octets; further octets are ignored. None if it is incomplete.

    A date-time without a deviation is local time of ``zone``; its daylight saving flag distinguishes the two
    equal hours in autumn. A faster ``CosemDateTime.to_datetime`` for buffers of thousands of rows.
    """
    if len(octets) < LENGTH:
        return None
    year, month, day, _, hour, minute, second, hundredths, deviation, status = _FIELDS(octets)
    second = 0 if second == UNSPECIFIED else second
    hundredths = 0 if hundredths == UNSPECIFIED else hundredths
    try:
        local = datetime(year, month, day, hour, minute, second, hundredths * 10_000, UTC)
        if -DEVIATION_LIMIT <= deviation <= DEVIATION_LIMIT:
            return local + _make_minutes(deviation)
        if deviation != DEVIATION_UNSPECIFIED:
            return None
        first, second_time = (local.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
        # The two differ in the hour that autumn repeats and in the one that spring skips.
        if status == STATUS_UNSPECIFIED or first.utcoffset() == second_time.utcoffset():
            return first.astimezone(UTC)
        choose = max if status & STATUS_DAYLIGHT_SAVING else min
        told = choose((first, second_time), key=lambda time: time.utcoffset() or timedelta())
        return told.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


@cache
def _make_minutes(deviation: int) -> timedelta:
    return timedelta(minutes=deviation)


def encode_for_meter(moment: datetime, zone: tzinfo) -> Data:
    """Return ``moment`` as an octet-string, which all meters accept: in ``zone``, weekday unspecified.

    In UTC if ``zone`` is more than 12 hours from UTC, which no deviation can express.
    """
    try:
        told = CosemDateTime.from_datetime(moment, zone)
    except EncodeError:
        told = CosemDateTime.from_datetime(moment, UTC)
    return Data(DataType.OCTET_STRING, told.to_bytes())
