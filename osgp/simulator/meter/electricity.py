"""Values of the clock, the energy registers and the momentary electrical quantities."""

from zlib import crc32

from ..codec.axdr import array, double_long_unsigned, long_unsigned, octet_string, unsigned
from ..codec.cosem_time import encode_date_time
from .load_curve import LOW_TARIFF_HOURS, STANDARD_TIME, START
from .query import Provider, Query
from .registry import value_of

NOMINAL_VOLTAGE = 230
AMR_DAYLIGHT_SAVING = 0x08
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


def _energy(rates: str, rate: int | None) -> Provider:
    def provider(query: Query) -> bytes:
        household = query.meter.household
        low, high = (
            household.imported(query.moment) if rates == "IMPORT" else household.exported(query.moment)
        )
        value = low + high if rate is None else (low, high)[rate]
        return b"\x06" + (value & _UINT32).to_bytes(4, "big")

    return provider


for _direction in ("IMPORT", "EXPORT"):
    value_of(f"ACTIVE_ENERGY_{_direction}")(_energy(_direction, None))
    value_of(f"ACTIVE_ENERGY_{_direction}_RATE_1")(_energy(_direction, 0))
    value_of(f"ACTIVE_ENERGY_{_direction}_RATE_2")(_energy(_direction, 1))


def ripple(query: Query, salt: str, spread: int, seconds: int = 10) -> int:
    """A number from 0 to ``spread`` that changes every ``seconds`` and is the same whenever it is computed
    again."""
    key = f"{query.meter.identification}:{salt}:{int(query.moment) // seconds}"
    return crc32(key.encode()) % (spread + 1)


def _scaled(query: Query, value: float) -> bytes:
    """A value as the number of its register, by the scaler that the profile states."""
    assert query.entry is not None
    scale = query.meter.type.profile[query.entry.tag].attributes[3].stated_scaler_unit
    number = value if scale is None else value * 10.0**-scale.scaler
    return long_unsigned(min(round(number), 0xFFFF))


def _voltage(phase: int) -> Provider:
    def provider(query: Query) -> bytes:
        return _scaled(query, NOMINAL_VOLTAGE - 4 + ripple(query, f"voltage{phase}", 80) / 10)

    return provider


def _power(direction: str, phase: int | None) -> Provider:
    """Power of one phase, or of all; a single-phase meter has everything on the first."""

    def provider(query: Query) -> bytes:
        household = query.meter.household
        moment = query.moment
        total = (
            household.imported_power(moment) if direction == "IMPORT" else household.exported_power(moment)
        )
        shares = 3 if phase is not None and query.meter.polyphase else 1
        return long_unsigned(min(total // shares, 0xFFFF))

    return provider


def _reactive_power(direction: str, phase: int) -> Provider:
    def provider(query: Query) -> bytes:
        return long_unsigned(ripple(query, f"reactive{direction}{phase}", 40))

    return provider


def _current(phase: int | None) -> Provider:
    def provider(query: Query) -> bytes:
        household = query.meter.household
        power = household.imported_power(query.moment) + household.exported_power(query.moment)
        shares = 3 if phase is not None and query.meter.polyphase else 1
        return _scaled(query, power / shares / NOMINAL_VOLTAGE)

    return provider


def _distortion(phase: int) -> Provider:
    def provider(query: Query) -> bytes:
        return long_unsigned(3 + ripple(query, f"thd{phase}", 6))

    return provider


def _fingerprint(phase: int) -> Provider:
    def provider(query: Query) -> bytes:
        return array(long_unsigned(ripple(query, f"fingerprint{phase}{number}", 9)) for number in range(15))

    return provider


for _phase in (1, 2, 3):
    for _kind in ("INSTANTANEOUS", "AVERAGE"):
        value_of(f"{_kind}_VOLTAGE_L{_phase}")(_voltage(_phase))
        value_of(f"{_kind}_CURRENT_L{_phase}")(_current(_phase))
        for _direction in ("IMPORT", "EXPORT"):
            value_of(f"{_kind}_ACTIVE_POWER_{_direction}_L{_phase}")(_power(_direction, _phase))
            value_of(f"{_kind}_REACTIVE_POWER_{_direction}_L{_phase}")(_reactive_power(_direction, _phase))
    value_of(f"THD_INSTANTANEOUS_CURRENT_L{_phase}")(_distortion(_phase))
    value_of(f"THD_INSTANTANEOUS_CURRENT_FINGERPRINT_L{_phase}")(_fingerprint(_phase))
for _direction in ("IMPORT", "EXPORT"):
    value_of(f"INSTANTANEOUS_ACTIVE_POWER_{_direction}")(_power(_direction, None))
value_of("INSTANTANEOUS_ACTIVE_CURRENT_TOTAL_OVER_ALL_PHASES")(_current(None))


@value_of("AMR_PROFILE_STATUS")
@value_of("AMR_PROFILE_STATUS_DAILY_E")
@value_of("AMR_PROFILE_STATUS_MONTHLY_E")
@value_of("AMR_PROFILE_STATUS_HOURLY_G")
@value_of("AMR_PROFILE_STATUS_DAILY_G")
@value_of("AMR_PROFILE_STATUS_MONTHLY_G")
def amr_profile_status(query: Query) -> bytes:
    """All well, and whether daylight saving was on."""
    return unsigned(AMR_DAYLIGHT_SAVING if query.local_time().dst() else 0)


@value_of("TARIFF_INDICATOR")
def tariff_indicator(query: Query) -> bytes:
    """The rate that counts now, as two octets: 1 low, 2 high."""
    hour = int(query.moment + STANDARD_TIME) // 3600 % 24
    return octet_string(b"\x00\x01" if hour in LOW_TARIFF_HOURS else b"\x00\x02")


@value_of("NUMBER_OF_POWER_FAILURES")
def number_of_power_failures(query: Query) -> bytes:
    """Short and long ones."""
    return long_unsigned(len(query.meter.outages(START, query.moment)) & 0xFFFF)


@value_of("NUMBER_OF_LONG_POWER_FAILURES")
def number_of_long_power_failures(query: Query) -> bytes:
    """Those that the power failure log lists, or once listed."""
    outages = query.meter.outages(START, query.moment)
    return long_unsigned(sum(outage.is_long for outage in outages) & 0xFFFF)


@value_of("DURATION_OF_LAST_LONG_POWER_FAILURE")
def duration_of_last_long_power_failure(query: Query) -> bytes:
    """Seconds; 0 before the first."""
    outages = query.meter.outages(START, query.moment)
    seconds = [outage.seconds for outage in outages if outage.is_long]
    return double_long_unsigned(seconds[-1] if seconds else 0)


@value_of("INVOCATION_COUNTER")
def invocation_counter(query: Query) -> bytes:
    """The highest counter that the meter has accepted from its management client; 0 before the first."""
    return double_long_unsigned(max(query.meter.memory.counters.highest, 0))
