"""The bounds of a range of a buffer, as a meter wants to be told them."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

from osgp.catalogue.communication import RangeBounds
from osgp.cosem.clock import MeterClock
from osgp.protocol_dlms import CosemDateTime, Data, DataType
from osgp.protocol_dlms.cosem_time import DEVIATION_UNSPECIFIED, STATUS_UNSPECIFIED

_HOUR = timedelta(hours=1)
_WITHOUT_DEVIATION = (RangeBounds.NO_DEVIATION, RangeBounds.NO_DEVIATION_FULL_HOURS)
_ON_HOURS = (RangeBounds.FULL_HOURS, RangeBounds.NO_DEVIATION_FULL_HOURS)


class Bounds(NamedTuple):
    """Two encoded date-times, and what they mean in UTC."""

    begin: Data
    end: Data
    within: tuple[datetime, datetime]
    is_on_hours: bool
    """Whether both are on full hours."""


def make_bounds(clock: MeterClock, kind: RangeBounds, begin: datetime, end: datetime) -> Bounds:
    """Return bounds of that kind around ``begin`` and ``end``.

    They are moved outwards to full hours where the meter wants these, and without deviation also out of the
    hour that autumn repeats, where they would be ambiguous.
    """
    if kind in _ON_HOURS:
        begin, end = widen_to_hours(clock, begin, end)
    if kind not in _WITHOUT_DEVIATION:
        encoded = clock.encode(begin), clock.encode(end)
    else:
        begin, first = _encode_without_deviation(clock, begin, -_HOUR)
        end, last = _encode_without_deviation(clock, end, _HOUR)
        encoded = first, last
    on_hours = _floor(clock, begin) == begin and _floor(clock, end) == end
    return Bounds(*encoded, (begin, end), on_hours)


def widen_to_hours(clock: MeterClock, begin: datetime, end: datetime) -> tuple[datetime, datetime]:
    """The last full hour of the meter's clock up to ``begin``, and the first one from ``end`` on."""
    return _floor(clock, begin), _ceil(clock, end)


def _floor(clock: MeterClock, moment: datetime) -> datetime:
    local = moment.astimezone(clock.zone)
    return moment - timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)


def _ceil(clock: MeterClock, moment: datetime) -> datetime:
    floor = _floor(clock, moment)
    return moment if floor == moment else floor + _HOUR


def _encode_without_deviation(clock: MeterClock, moment: datetime, step: timedelta) -> tuple[datetime, Data]:
    """The first of ``moment`` and the times ``step`` apart that is clear without deviation and status."""
    for _ in range(3):
        told = CosemDateTime.from_datetime(moment, clock.zone)
        octets = replace(told, deviation=DEVIATION_UNSPECIFIED, status=STATUS_UNSPECIFIED).to_bytes()
        if len(clock.list_candidates(octets)) < 2:
            break
        moment += step
    return moment, Data(DataType.OCTET_STRING, octets)
