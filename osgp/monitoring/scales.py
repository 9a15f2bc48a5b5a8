"""Scalers and units of registers: from the profile where all meters have the same, else from the meter."""

from collections.abc import Sequence

from osgp.catalogue import CosemObject
from osgp.catalogue.units import ScalerUnit
from osgp.cosem.quantities import parse_scaler_unit
from osgp.faults import Fault
from osgp.messages.visited_meter import VisitedMeter

_REGISTERS = ("register", "extended_register")
"""Interface classes whose value has a scaler and unit."""


def is_register(item: CosemObject) -> bool:
    """Whether the value of an object has a scaler and unit."""
    return item.interface_class.name in _REGISTERS


def read_scaler_units(
    meter: VisitedMeter, tags: Sequence[str], known: ScalerUnit | None = None
) -> dict[str, ScalerUnit]:
    """Find scaler and unit of registers, in as few round trips as the meter allows.

    ``known`` applies to those that the profile leaves open: it depends on the model of the meter. Raises
    Fault for invalid answers.
    """
    found = {tag: meter.find_object(tag)["scaler_unit"].scaler_unit or known for tag in tags}
    from_meter = [tag for tag, scale in found.items() if scale is None]
    values = meter.get_all([meter.find_attribute(tag, "scaler_unit") for tag in from_meter])
    read = {tag: parse_scaler_unit(data, tag) for tag, data in zip(from_meter, values, strict=True)}
    return {tag: scale or read[tag] for tag, scale in found.items()}


def read_each_scaler_unit(meter: VisitedMeter, tags: Sequence[str]) -> dict[str, ScalerUnit | Fault]:
    """As :func:`read_scaler_units`, but an error of one register does not affect the others."""
    found: dict[str, ScalerUnit | Fault | None] = {
        tag: meter.find_object(tag)["scaler_unit"].scaler_unit for tag in tags
    }
    from_meter = [tag for tag, scale in found.items() if scale is None]
    answers = meter.get_each([meter.find_attribute(tag, "scaler_unit") for tag in from_meter])
    for tag, answer in zip(from_meter, answers, strict=True):
        try:
            found[tag] = answer if isinstance(answer, Fault) else parse_scaler_unit(answer, tag)
        except Fault as fault:
            found[tag] = fault
    return {tag: scale for tag, scale in found.items() if scale is not None}
