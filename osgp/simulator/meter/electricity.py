"""Values of the clock, the energy registers and the status of their buffers."""

from ..codec.axdr import double_long_unsigned, octet_string, unsigned
from ..codec.cosem_time import encode_date_time
from .load_curve import LOW_TARIFF_HOURS, STANDARD_TIME
from .metered import EXPORT, IMPORT, energy
from .query import Provider, Query
from .registry import value_of
from .rows import DAYLIGHT_SAVING

_UINT32 = 0xFFFFFFFF


@value_of("CLOCK", 2)
def clock_time(query: Query) -> bytes:
    """Local date and time, with deviation and daylight saving bit."""
    return octet_string(encode_date_time(query.local_time()))


@value_of("CLOCK", 4)
def clock_status(query: Query) -> bytes:
    """The status octet of the time."""
    return unsigned(0x80 if query.local_time().dst() else 0)


@value_of("CLOCK", 5)
def daylight_savings_begin(query: Query) -> bytes:
    """Last Sunday of March, 02:00."""
    return octet_string(bytes.fromhex("FFFF03FE0702000000FFC400"))


@value_of("CLOCK", 6)
def daylight_savings_end(query: Query) -> bytes:
    """Last Sunday of October, 03:00."""
    return octet_string(bytes.fromhex("FFFF0AFE0703000000FF8880"))


def _energy(direction: str, rate: int | None) -> Provider:
    def provider(query: Query) -> bytes:
        low, high = energy(query.meter, direction, query.moment)
        value = low + high if rate is None else (low, high)[rate]
        return b"\x06" + (value & _UINT32).to_bytes(4, "big")

    return provider


for _direction in (IMPORT, EXPORT):
    value_of(f"ACTIVE_ENERGY_{_direction}")(_energy(_direction, None))
    value_of(f"ACTIVE_ENERGY_{_direction}_RATE_1")(_energy(_direction, 0))
    value_of(f"ACTIVE_ENERGY_{_direction}_RATE_2")(_energy(_direction, 1))


@value_of("TARIFF_INDICATOR")
def tariff_indicator(query: Query) -> bytes:
    """The rate that counts now, as two octets: 1 low, 2 high."""
    hour = int(query.moment + STANDARD_TIME) // 3600 % 24
    return octet_string(b"\x00\x01" if hour in LOW_TARIFF_HOURS else b"\x00\x02")


@value_of("AMR_PROFILE_STATUS")
@value_of("AMR_PROFILE_STATUS_DAILY_E")
@value_of("AMR_PROFILE_STATUS_MONTHLY_E")
@value_of("AMR_PROFILE_STATUS_HOURLY_G")
@value_of("AMR_PROFILE_STATUS_DAILY_G")
@value_of("AMR_PROFILE_STATUS_MONTHLY_G")
def amr_profile_status(query: Query) -> bytes:
    """What befell the row, and whether daylight saving was on."""
    return unsigned((query.flags or 0) | (DAYLIGHT_SAVING if query.local_time().dst() else 0))


@value_of("INVOCATION_COUNTER")
def invocation_counter(query: Query) -> bytes:
    """The highest counter that the meter has accepted from its management client; 0 before the first."""
    return double_long_unsigned(max(query.meter.memory.counters.highest, 0))
