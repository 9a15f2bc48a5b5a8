"""Values of the clock, the energy registers and the status of their buffers."""

from collections.abc import Callable

from osgp.catalogue.units import ScalerUnit, Unit

from ..codec.axdr import DataType, octet_string, unsigned
from ..codec.cosem_time import encode_date_time
from .clock_zone import DAYLIGHT_SAVINGS_BEGIN, DAYLIGHT_SAVINGS_END
from .metered import energy
from .query import Query
from .registry import count_of, value_of, value_of_class
from .row_flags import DAYLIGHT_SAVING
from .tariff_calendar import LOW
from .tariffs import EXPORT, IMPORT, find_rate

INVOCATION_COUNTER = "INVOCATION_COUNTER"
"""What shows the invocation counter, unless the profile names another object."""

_WH = ScalerUnit(0, Unit.WH)


@value_of_class("clock", "time")
def clock_time(query: Query) -> bytes:
    """Local date and time, with deviation and daylight saving bit."""
    return octet_string(encode_date_time(query.local_time()))


@value_of_class("clock", "status")
def clock_status(query: Query) -> bytes:
    """The status octet of the time."""
    return unsigned(0x80 if query.local_time().dst() else 0)


@value_of_class("clock", "daylight_savings_begin")
def daylight_savings_begin(query: Query) -> bytes:
    """Last Sunday of March, 02:00."""
    return octet_string(DAYLIGHT_SAVINGS_BEGIN)


@value_of_class("clock", "daylight_savings_end")
def daylight_savings_end(query: Query) -> bytes:
    """Last Sunday of October, 03:00."""
    return octet_string(DAYLIGHT_SAVINGS_END)


def _make_total(direction: str) -> Callable[[Query], int]:
    return lambda query: sum(energy(query.meter, direction, query.moment))


def _make_rate(direction: str, rate: int) -> Callable[[Query], int]:
    return lambda query: energy(query.meter, direction, query.moment)[rate]


for _direction in (IMPORT, EXPORT):
    count_of(f"ACTIVE_ENERGY_{_direction}", _WH)(_make_total(_direction))
    count_of(f"ACTIVE_ENERGY_{_direction}_RATE_1", _WH)(_make_rate(_direction, 0))
    count_of(f"ACTIVE_ENERGY_{_direction}_RATE_2", _WH)(_make_rate(_direction, 1))


@value_of("TARIFF_INDICATOR", data_type=DataType.OCTET_STRING)
def tariff_indicator(query: Query) -> bytes:
    """The rate that counts now, as two octets: 1 low, 2 high."""
    return octet_string(b"\x00\x01" if find_rate(query.meter, query.moment) == LOW else b"\x00\x02")


def row_status(in_bits: Callable[[int], int], query: Query) -> float:
    """What befell the row, and whether daylight saving was on, in the bits of the profile."""
    return in_bits((query.flags or 0) | (DAYLIGHT_SAVING if query.local_time().dst() else 0))


@count_of(INVOCATION_COUNTER)
def invocation_counter(query: Query) -> int:
    """The highest counter that the meter has accepted from its management client; 0 before the first."""
    return max(query.meter.memory.counters.highest, 0)
