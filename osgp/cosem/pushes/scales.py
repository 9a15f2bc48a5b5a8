"""Scales of values whose push does not tell them, by the names of the lists of a few families of meters.

Figures: published readers of these meters, compared with captured values. The same list may have another
scale in another country or firmware, which nothing in a push tells. So what a device says itself, in
attribute 3 of each object, goes before these; and a voltage that cannot be one is left without scale.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from enum import Enum, auto

from osgp.catalogue import obis
from osgp.catalogue.units import ScalerUnit, Unit
from osgp.cosem.pushes.model import PushedValue, ScaleSource
from osgp.cosem.pushes.shapes import get_text

LARGEST_VOLTAGE = 999
"""Volts. Above that it is no low voltage, so the scale must be another one."""

_ELECTRICITY = 1  # value group A
_INSTANTANEOUS, _ENERGY = 7, 8  # value group D


class _Kind(Enum):
    POWER = auto()
    ENERGY = auto()
    VOLTAGE = auto()
    CURRENT = auto()
    POWER_FACTOR = auto()


_KAMSTRUP = "Kamstrup_V0001"
_SCALERS: Mapping[str, Mapping[_Kind, int]] = {
    # Newer ones send 0.01 V, which is above LARGEST_VOLTAGE if taken for V.
    _KAMSTRUP: {
        _Kind.POWER: 0,
        _Kind.ENERGY: 1,
        _Kind.VOLTAGE: 0,
        _Kind.CURRENT: -2,
        _Kind.POWER_FACTOR: -2,
    },
    "KFM_001": {_Kind.POWER: 0, _Kind.ENERGY: 0, _Kind.VOLTAGE: -1, _Kind.CURRENT: -3},
    # Landis+Gyr, Switzerland. Currents are 0.01 A in the E450 and 1 A in the E570.
    "0-8:25.9.0.255": {_Kind.POWER: 0, _Kind.ENERGY: 0, _Kind.VOLTAGE: 0, _Kind.POWER_FACTOR: -3},
    # Iskraemeco AM550 and Landis+Gyr E360, Switzerland
    "0-6:25.9.0.255": {
        _Kind.POWER: 0,
        _Kind.ENERGY: 0,
        _Kind.VOLTAGE: -1,
        _Kind.CURRENT: -2,
        _Kind.POWER_FACTOR: -3,
    },
}
# Meters of Kamstrup on current transformers, by the start of their type
_KAMSTRUP_TYPE = "1-1:96.1.1.255"
_KAMSTRUP_TRANSFORMERS = "685"
_KAMSTRUP_TRANSFORMERS_CURRENT = -3

# Value group C (IEC 62056-6-1); 20, 40 and 60 more for the phases.
_ACTIVE, _REACTIVE, _APPARENT = (1, 2), (3, 4, 5, 6, 7, 8), (9, 10)
_CURRENT, _VOLTAGE, _POWER_FACTOR = 11, 12, 13
_PHASES = (0, 20, 40, 60)


def _list_units() -> dict[tuple[int, int], tuple[_Kind, Unit]]:
    """Return what is measured, and its unit, by the value groups C and D."""
    units: dict[tuple[int, int], tuple[_Kind, Unit]] = {}
    powers = ((_ACTIVE, Unit.W, Unit.WH), (_REACTIVE, Unit.VAR, Unit.VARH), (_APPARENT, Unit.VA, Unit.VAH))
    for phase in _PHASES:
        for groups, power, energy in powers:
            for group in groups:
                units[group + phase, _INSTANTANEOUS] = _Kind.POWER, power
                units[group + phase, _ENERGY] = _Kind.ENERGY, energy
        units[_CURRENT + phase, _INSTANTANEOUS] = _Kind.CURRENT, Unit.A
        units[_VOLTAGE + phase, _INSTANTANEOUS] = _Kind.VOLTAGE, Unit.V
        units[_POWER_FACTOR + phase, _INSTANTANEOUS] = _Kind.POWER_FACTOR, Unit.COUNT
    return units


_UNITS = _list_units()


def add_scales(list_name: str | None, values: Iterable[PushedValue]) -> list[PushedValue]:
    """Return the values with the scales of the list where they have none. Others are returned as they are."""
    values = list(values)
    scalers = _SCALERS.get(list_name or "")
    if scalers is None:
        return values
    if list_name == _KAMSTRUP and _measures_by_transformers(values):
        scalers = {**scalers, _Kind.CURRENT: _KAMSTRUP_TRANSFORMERS_CURRENT}
    return [_add_scale(value, scalers) for value in values]


def _measures_by_transformers(values: list[PushedValue]) -> bool:
    types = (get_text(value.value) or "" for value in values if value.obis == _KAMSTRUP_TYPE)
    return any(text.startswith(_KAMSTRUP_TRANSFORMERS) for text in types)


def _add_scale(value: PushedValue, scalers: Mapping[_Kind, int]) -> PushedValue:
    if value.scaler is not None or value.obis is None or value.number is None:
        return value
    # The scaler of a register is that of its value; attribute 0 is all of it, and 3 the scaler itself.
    if value.attribute not in (None, 2) or value.data_index:
        return value
    groups = obis.parse(value.obis)
    kind, unit = _UNITS.get((groups[2], groups[3]), (None, None))
    if groups[0] != _ELECTRICITY or kind is None or unit is None or kind not in scalers:
        return value
    scale = ScalerUnit(scalers[kind], unit)
    if kind is _Kind.VOLTAGE and scale.apply(value.number) > LARGEST_VOLTAGE:
        return value
    return replace(value, scaler=scale.scaler, unit=unit, scale_source=ScaleSource.LIST)
