"""The clocks of meters that push: what their date-times mean, which is not always what they say.

A deviation is what must be added to the fields to get UTC. Many meters leave it out, and some of them keep
standard time all year; others claim UTC and tell local time. Which meter does what cannot be seen in a push:
it is known of families, by the names of their lists, and otherwise told by the caller.
"""

from dataclasses import replace
from datetime import datetime, timedelta, tzinfo
from enum import Enum
from functools import lru_cache

from osgp.cosem.clock import decode_utc
from osgp.protocol_dlms import CosemDateTime
from osgp.protocol_dlms.cosem_time import DEVIATION_UNSPECIFIED, LENGTH


class ClockRule(Enum):
    """How date-times of a meter are to be read."""

    AS_TOLD = "as told"
    """By the deviation. Without one, local time with daylight saving."""
    STANDARD_TIME = "standard time"
    """By the deviation. Without one, local standard time all year (Kamstrup)."""
    STANDARD_TIME_AS_UTC = "standard time as UTC"
    """As STANDARD_TIME, also if the deviation is 0 (Aidon)."""
    SIGN_TURNED = "sign turned"
    """By the deviation with its sign turned. Without one, local time with daylight saving."""


_RULES = {
    "Kamstrup_": ClockRule.STANDARD_TIME,
    "AIDON_": ClockRule.STANDARD_TIME_AS_UTC,
}


def find_clock_rule(list_name: str | None) -> ClockRule:
    """Return the rule of the family that uses this name for its lists; AS_TOLD for all others."""
    name = list_name or ""
    return next((rule for start, rule in _RULES.items() if name.startswith(start)), ClockRule.AS_TOLD)


def tell_utc(octets: bytes, zone: tzinfo | None, rule: ClockRule = ClockRule.AS_TOLD) -> datetime | None:
    """Return the UTC time of a pushed date-time of 12 octets.

    None if date, hour or minute are not specified, if ``zone`` is needed and None, and for other lengths: a
    date or a time alone is no time.
    """
    if len(octets) != LENGTH:
        return None
    told = CosemDateTime.from_bytes(octets)
    deviation = told.deviation
    if rule is ClockRule.SIGN_TURNED and deviation != DEVIATION_UNSPECIFIED:
        return replace(told, deviation=-deviation).to_datetime()
    if deviation != DEVIATION_UNSPECIFIED and not (deviation == 0 and rule is ClockRule.STANDARD_TIME_AS_UTC):
        return told.to_datetime()
    if zone is None:
        return None
    if rule in (ClockRule.STANDARD_TIME, ClockRule.STANDARD_TIME_AS_UTC):
        return _tell_standard_time(told, zone)
    return decode_utc(octets, zone)


def _tell_standard_time(told: CosemDateTime, zone: tzinfo) -> datetime | None:
    fields = replace(told, deviation=0).to_datetime()
    if fields is None:
        return None
    try:
        return fields - _find_standard_offset(zone, fields.year)
    except OverflowError:
        return None


@lru_cache(maxsize=1024)
def _find_standard_offset(zone: tzinfo, year: int) -> timedelta:
    """Return the offset from UTC without daylight saving: the least of the year.

    Not ``utcoffset() - dst()``, as some zones call the time of the summer their standard one.
    """
    middles = (datetime(year, month, 15, 12, tzinfo=zone) for month in range(1, 13))
    return min(middle.utcoffset() or timedelta() for middle in middles)
