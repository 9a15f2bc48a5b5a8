"""Values of power, current, voltage and harmonic distortion, of the counters of events and of the alarm
registers."""

from functools import partial

from osgp.catalogue.units import ScalerUnit, Unit

from ..codec.axdr import DataType, array, long_unsigned
from . import history
from .event_names import PHASES
from .load_curve import START
from .metered import EXPORT, IMPORT, current, distortion, of_phase, power, reactive, voltage
from .query import Query
from .registry import count_of, number_of, value_of

FINGERPRINT_VALUES = 15

_W = ScalerUnit(0, Unit.W)
_VAR = ScalerUnit(0, Unit.VAR)
_V = ScalerUnit(0, Unit.V)
_A = ScalerUnit(0, Unit.A)
_PERCENT = ScalerUnit(0, Unit.PERCENT)
_TENTHS_OF_VOLTS = ScalerUnit(-1, Unit.V)
_TENTHS_OF_SECONDS = ScalerUnit(-1, Unit.SECOND)


# Power, current, voltage


def _measure_power(direction: str, phase: int | None, instantaneous: bool, query: Query) -> float:
    """Active power of one phase, or of all."""
    total = power(query.meter, direction, query.moment, instantaneous=instantaneous)
    return total if phase is None else of_phase(query.meter, total, phase)


def _measure_reactive_power(direction: str, phase: int, query: Query) -> float:
    total = power(query.meter, direction, query.moment, instantaneous=False)
    return reactive(of_phase(query.meter, total, phase))


def _measure_current(phase: int, instantaneous: bool, query: Query) -> float:
    return current(query.meter, phase, query.moment, instantaneous=instantaneous)


def _measure_total_current(query: Query) -> float:
    phases = PHASES if query.meter.polyphase else (1,)
    return sum(current(query.meter, phase, query.moment, instantaneous=True) for phase in phases)


def _measure_voltage(phase: int, instantaneous: bool, query: Query) -> float:
    return voltage(query.meter, phase, query.moment, instantaneous=instantaneous)


# Harmonic distortion of the current


def _measure_distortion(phase: int, query: Query) -> float:
    return distortion(query.meter, phase, query.moment).percent


def _measure_fingerprint(phase: int, query: Query) -> bytes:
    """15 values: the distortion at the last 15 full minutes."""
    last = query.moment // 60 * 60
    minutes = (last - 60 * back for back in range(FINGERPRINT_VALUES - 1, -1, -1))
    return array(long_unsigned(distortion(query.meter, phase, minute).percent) for minute in minutes)


# Counters of events, and the last of them


def _count(kind: str, name: str, query: Query) -> int:
    return history.count(query.meter, kind, name, query.moment)


def _find_magnitude_of_last(kind: str, name: str, query: Query) -> float:
    """0 before the first event."""
    event = history.last(query.meter, kind, name, query.moment)
    return event.magnitude if event is not None else 0


def _find_duration_of_last(kind: str, name: str, query: Query) -> float:
    """0 before the first event."""
    event = history.last(query.meter, kind, name, query.moment)
    return event.duration if event is not None else 0


def _register_power(direction: str) -> None:
    number_of(f"INSTANTANEOUS_ACTIVE_POWER_{direction}", _W)(partial(_measure_power, direction, None, True))
    for phase in PHASES:
        for name, instantaneous in (("INSTANTANEOUS", True), ("AVERAGE", False)):
            active = partial(_measure_power, direction, phase, instantaneous)
            number_of(f"{name}_ACTIVE_POWER_{direction}_L{phase}", _W)(active)
        average = partial(_measure_reactive_power, direction, phase)
        number_of(f"AVERAGE_REACTIVE_POWER_{direction}_L{phase}", _VAR)(average)


def _register_phase(phase: int) -> None:
    for name, instantaneous in (("INSTANTANEOUS", True), ("AVERAGE", False)):
        number_of(f"{name}_VOLTAGE_L{phase}", _V)(partial(_measure_voltage, phase, instantaneous))
        number_of(f"{name}_CURRENT_L{phase}", _A)(partial(_measure_current, phase, instantaneous))
    fingerprint = f"THD_INSTANTANEOUS_CURRENT_FINGERPRINT_L{phase}"
    value_of(fingerprint, data_type=DataType.ARRAY)(partial(_measure_fingerprint, phase))
    number_of(f"THD_INSTANTANEOUS_CURRENT_L{phase}", _PERCENT)(partial(_measure_distortion, phase))


def _register_events(phase: int) -> None:
    place = phase - 1
    over_limit = f"distortion{place}", f"THD_OVER_LIMIT_L{phase}"
    count_of(f"THD_CURRENT_OVER_LIMIT_COUNTER_L{phase}")(partial(_count, *over_limit))
    magnitude = f"MAGNITUDE_OF_LAST_CURRENT_OVER_LIMIT_THD_IN_PHASE_L{phase}"
    number_of(magnitude, _PERCENT)(partial(_find_magnitude_of_last, *over_limit))
    for name in ("SAG", "SWELL"):
        kind, event = f"{name.lower()}{place}", f"VOLTAGE_{name}_IN_PHASE_L{phase}"
        last = f"OF_LAST_VOLTAGE_{name}_IN_PHASE_L{phase}"
        count_of(f"NUMBER_OF_VOLTAGE_{name}S_FOR_L{phase}")(partial(_count, kind, event))
        number_of(f"MAGNITUDE_{last}", _TENTHS_OF_VOLTS)(partial(_find_magnitude_of_last, kind, event))
        number_of(f"DURATION_{last}", _TENTHS_OF_SECONDS)(partial(_find_duration_of_last, kind, event))


number_of("INSTANTANEOUS_ACTIVE_CURRENT_TOTAL_OVER_ALL_PHASES", _A)(_measure_total_current)
for _direction in (IMPORT, EXPORT):
    _register_power(_direction)
for _phase in PHASES:
    _register_phase(_phase)
    _register_events(_phase)


@count_of("NUMBER_OF_POWER_FAILURES")
def number_of_power_failures(query: Query) -> int:
    """Short and long ones."""
    return history.count_outages(query.meter, query.moment)[0]


@count_of("NUMBER_OF_LONG_POWER_FAILURES")
def number_of_long_power_failures(query: Query) -> int:
    """Those that the power failure log lists, or once listed."""
    return history.count_outages(query.meter, query.moment)[1]


@number_of("DURATION_OF_LAST_LONG_POWER_FAILURE", ScalerUnit(0, Unit.SECOND))
def duration_of_last_long_power_failure(query: Query) -> float:
    """0 before the first."""
    outages = history.list_long_outages(query.meter, query.moment, 1)
    return outages[-1].seconds if outages else 0


# Alarms and event codes


def alarm_register(tag: str, query: Query) -> float:
    """The bits that are set in an alarm register."""
    return history.alarm_register(query.meter, tag, query.moment)


def last_code(log: str, query: Query) -> float:
    """The code of the last event in a log; 0 before the first."""
    events = history.log_entries(query.meter, log, query.moment, 1, START)
    return events[-1].code if events else 0
