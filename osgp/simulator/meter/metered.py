"""What a meter has measured: its household, less what could not be delivered, and the jumps of registers."""

import math
from functools import lru_cache, partial
from typing import NamedTuple
from zlib import crc32

from .load_curve import START
from .record import Record
from .state import LivingMeter
from .tariffs import EXPORT, IMPORT, split

_POWER_FACTOR_REST = 0.15
"""Reactive power as a share of the active."""


def ripple(identification: str, moment: float, salt: str, spread: int, seconds: int = 10) -> int:
    """A number from 0 to ``spread`` that changes every ``seconds`` and is the same whenever it is computed
    again."""
    key = f"{identification}:{salt}:{int(moment) // seconds}"
    return crc32(key.encode()) % (spread + 1)


def energy(meter: LivingMeter, direction: str, moment: float) -> tuple[int, int]:
    """Active energy in Wh, rate 1 (low) and rate 2 (high)."""
    household = meter.household
    measured = household.imported if direction == IMPORT else household.exported
    record = meter.record
    if record is None:
        return measured(moment)
    if record.tariffs:
        measured = partial(split, meter, direction)
    low, high = measured(moment)
    for begin, end in record.list_undelivered():
        if begin < moment:
            first, last = measured(begin), measured(min(end, moment))
            low, high = low - last[0] + first[0], high - last[1] + first[1]
    return low + _sum_jumps(record, direction, 0, moment), high + _sum_jumps(record, direction, 1, moment)


def _sum_jumps(record: Record, direction: str, rate: int, moment: float) -> int:
    return sum(
        step.wh
        for step in record.energy
        if step.moment <= moment and (step.direction, step.rate) == (direction, rate)
    )


def power(meter: LivingMeter, direction: str, moment: float, *, instantaneous: bool) -> int:
    """Active power in W over all phases; the average is that of the load curve, around which the
    instantaneous one swings."""
    household = meter.household
    average = household.imported_power(moment) if direction == IMPORT else household.exported_power(moment)
    record = meter.record
    if record is not None and any(begin <= moment < end for begin, end in record.list_undelivered()):
        return 0
    if not instantaneous:
        return average
    return average * (75 + ripple(meter.identification, moment, direction, 50)) // 100


@lru_cache(maxsize=4_096)
def _find_shares(identification: str) -> tuple[int, int]:
    """Percent of the load on L2 and L3."""
    draw = crc32(f"{identification}:phases".encode())
    second = 20 + draw % 15
    return second, 15 + (draw >> 8) % 15


def of_phase(meter: LivingMeter, total: int, phase: int) -> int:
    """The part of ``total`` on a phase (1 to 3); a single-phase meter has everything on the first."""
    if not meter.polyphase:
        return total if phase == 1 else 0
    second, third = (total * share // 100 for share in _find_shares(meter.identification))
    return (total - second - third, second, third)[phase - 1]


def reactive(active: int) -> int:
    """Reactive power in var that comes with an active power in W."""
    return int(active * _POWER_FACTOR_REST)


def voltage(meter: LivingMeter, phase: int, moment: float, *, instantaneous: bool) -> float:
    """Volts: near 231, lower the more is used, and out of bounds while the event log says so."""
    disturbance = _find_disturbance(meter, phase - 1, moment)
    seconds = 10 if instantaneous else 600
    swing = ripple(meter.identification, moment, f"voltage{phase}", 60, seconds) / 10 - 3
    if disturbance is not None:
        return disturbance + swing
    used = of_phase(meter, power(meter, IMPORT, moment, instantaneous=False), phase)
    return 231 + swing - used / 2_500


def _find_disturbance(meter: LivingMeter, place: int, moment: float) -> float | None:
    kind = meter.kinds.by_name.get(f"voltage{place}")
    if kind is None or moment < START:
        return None
    number = int(moment - START) // kind.period
    begin = kind.begin(number, kind.draw(meter.identification, number))
    if not begin <= moment < begin + kind.span:
        return None
    under = kind.variants[0][0].type
    event, normal = kind.variants[(number + crc32(meter.identification.encode())) % len(kind.variants)]
    if moment >= begin + normal.delay:
        return None
    return 201.0 if event.type is under else 256.0


def current(meter: LivingMeter, phase: int, moment: float, *, instantaneous: bool) -> float:
    """Amperes: what the power of the phase takes at its voltage."""
    active = max(
        of_phase(meter, power(meter, direction, moment, instantaneous=instantaneous), phase)
        for direction in (IMPORT, EXPORT)
    )
    return math.hypot(active, reactive(active)) / voltage(meter, phase, moment, instantaneous=instantaneous)


class Distortion(NamedTuple):
    """Total harmonic distortion of a current in percent, and whether that is over the limit."""

    percent: int
    over_limit: bool


def distortion(meter: LivingMeter, phase: int, moment: float) -> Distortion:
    """What the log of harmonic distortions tells, else a little."""
    kind = meter.kinds.by_name.get(f"distortion{phase - 1}")
    if kind is not None and moment >= START and meter.is_troubled_at(moment):
        number = int(moment - START) // kind.period
        events = list(kind.events(meter.identification, START + number * kind.period, moment))
        if events and events[-1].type.name != f"THD_NORMAL_L{phase}":
            return Distortion(events[-1].magnitude, True)
    return Distortion(2 + ripple(meter.identification, moment, f"thd{phase}", 5), False)
