"""Values of power, current, voltage and harmonic distortion, of the counters of events and of the alarm
registers."""

from functools import partial

from ..codec.axdr import array, double_long_unsigned, long_unsigned, unsigned
from . import event_codes, history
from .event_codes import AUXILIARY, PHASES
from .load_curve import START
from .metered import EXPORT, IMPORT, current, distortion, of_phase, power, reactive, voltage
from .query import Provider, Query
from .registry import value_of

FINGERPRINT_VALUES = 15
_UINT16 = 0xFFFF


def _register(query: Query, value: float) -> bytes:
    """A value in the unit of its register as the raw number that the register shows."""
    return long_unsigned(min(round(value * 10**-query.entry.scaler), _UINT16))


# Power, current, voltage


def _power(direction: str, phase: int | None, instantaneous: bool, query: Query) -> bytes:
    """Active power of one phase, or of all."""
    total = power(query.meter, direction, query.moment, instantaneous=instantaneous)
    return _register(query, total if phase is None else of_phase(query.meter, total, phase))


def _reactive_power(direction: str, phase: int, query: Query) -> bytes:
    total = power(query.meter, direction, query.moment, instantaneous=False)
    return _register(query, reactive(of_phase(query.meter, total, phase)))


def _current(phase: int, instantaneous: bool, query: Query) -> bytes:
    return _register(query, current(query.meter, phase, query.moment, instantaneous=instantaneous))


def _total_current(query: Query) -> bytes:
    phases = PHASES if query.meter.polyphase else (1,)
    return _register(
        query, sum(current(query.meter, phase, query.moment, instantaneous=True) for phase in phases)
    )


def _voltage(phase: int, instantaneous: bool, query: Query) -> bytes:
    return _register(query, voltage(query.meter, phase, query.moment, instantaneous=instantaneous))


# Harmonic distortion of the current


def _distortion(phase: int, query: Query) -> bytes:
    return _register(query, distortion(query.meter, phase, query.moment).percent)


def _fingerprint(phase: int, query: Query) -> bytes:
    """15 values: the distortion at the last 15 full minutes."""
    last = query.moment // 60 * 60
    minutes = (last - 60 * back for back in range(FINGERPRINT_VALUES - 1, -1, -1))
    return array(long_unsigned(distortion(query.meter, phase, minute).percent) for minute in minutes)


# Counters of events, and the last of them


def _count(kind: str, code: int, query: Query) -> bytes:
    return long_unsigned(history.count(query.meter, kind, code, query.moment) & _UINT16)


def _last(kind: str, code: int, field: str, query: Query) -> bytes:
    """Magnitude or duration of the last event; 0 before the first."""
    event = history.last(query.meter, kind, code, query.moment)
    return long_unsigned(getattr(event, field) if event is not None else 0)


def _register_all() -> None:
    providers: dict[str, Provider] = {"INSTANTANEOUS_ACTIVE_CURRENT_TOTAL_OVER_ALL_PHASES": _total_current}
    for direction in (IMPORT, EXPORT):
        providers[f"INSTANTANEOUS_ACTIVE_POWER_{direction}"] = partial(_power, direction, None, True)
    for phase in PHASES:
        for name, instantaneous in (("INSTANTANEOUS", True), ("AVERAGE", False)):
            providers[f"{name}_VOLTAGE_L{phase}"] = partial(_voltage, phase, instantaneous)
            providers[f"{name}_CURRENT_L{phase}"] = partial(_current, phase, instantaneous)
            for direction in (IMPORT, EXPORT):
                active = partial(_power, direction, phase, instantaneous)
                providers[f"{name}_ACTIVE_POWER_{direction}_L{phase}"] = active
        for direction in (IMPORT, EXPORT):
            average = partial(_reactive_power, direction, phase)
            providers[f"AVERAGE_REACTIVE_POWER_{direction}_L{phase}"] = average
        providers |= _of_events(phase)
    for tag, provider in providers.items():
        value_of(tag)(provider)


def _of_events(phase: int) -> dict[str, Provider]:
    place = phase - 1
    over_limit = f"distortion{place}", 50 + phase
    providers: dict[str, Provider] = {
        f"THD_INSTANTANEOUS_CURRENT_L{phase}": partial(_distortion, phase),
        f"THD_INSTANTANEOUS_CURRENT_FINGERPRINT_L{phase}": partial(_fingerprint, phase),
        f"THD_CURRENT_OVER_LIMIT_COUNTER_L{phase}": partial(_count, *over_limit),
        f"MAGNITUDE_OF_LAST_CURRENT_OVER_LIMIT_THD_IN_PHASE_L{phase}": partial(
            _last, *over_limit, "magnitude"
        ),
    }
    for name, kind, code in (("SAG", f"sag{place}", 92 + phase), ("SWELL", f"swell{place}", 95 + phase)):
        providers[f"NUMBER_OF_VOLTAGE_{name}S_FOR_L{phase}"] = partial(_count, kind, code)
        for field in ("magnitude", "duration"):
            tag = f"{field.upper()}_OF_LAST_VOLTAGE_{name}_IN_PHASE_L{phase}"
            providers[tag] = partial(_last, kind, code, field)
    return providers


_register_all()


@value_of("NUMBER_OF_POWER_FAILURES")
def number_of_power_failures(query: Query) -> bytes:
    """Short and long ones."""
    return long_unsigned(history.count_outages(query.meter, query.moment)[0] & _UINT16)


@value_of("NUMBER_OF_LONG_POWER_FAILURES")
def number_of_long_power_failures(query: Query) -> bytes:
    """Those that the power failure log lists, or once listed."""
    return long_unsigned(history.count_outages(query.meter, query.moment)[1] & _UINT16)


@value_of("DURATION_OF_LAST_LONG_POWER_FAILURE")
def duration_of_last_long_power_failure(query: Query) -> bytes:
    """Seconds; 0 before the first."""
    outages = history.long_outages(query.meter, query.moment, 1)
    return double_long_unsigned(outages[-1].seconds if outages else 0)


# Alarms and event codes


def _alarm_register(register: int, query: Query) -> bytes:
    return double_long_unsigned(history.alarm_register(query.meter, register, query.moment))


for _number in (1, 2, 3):
    value_of(f"ALARM_REGISTER_{_number}")(partial(_alarm_register, _number))


def _last_code(log: str, query: Query) -> bytes:
    """The code of the last event in a log; 0 before the first."""
    events = history.log_entries(query.meter, log, query.moment, 1, START)
    code = events[-1].code if events else 0
    return long_unsigned(code) if log == AUXILIARY else unsigned(code)


for _log in event_codes.CODES:
    value_of(_log.replace("_LOG", "_CODE"))(partial(_last_code, _log))
