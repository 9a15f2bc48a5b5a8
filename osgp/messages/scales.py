"""Scalers and units of registers: as the meter tells them, else those of the profile.

Where other registers of the same unit are not as the profile says, it is not believed for one of which the
meter tells nothing: its values might be wrong by powers of ten, and nothing would look wrong.
"""

import zlib
from collections.abc import Sequence

from osgp.catalogue import CosemObject
from osgp.catalogue.cosem import AttributeDescriptor
from osgp.catalogue.units import ScalerUnit
from osgp.cosem.quantities import parse_scaler_unit
from osgp.faults import Component, Fault, FaultCode
from osgp.messages.contradictions import Registered, find_rescaled, find_stated_scaler_unit, is_told
from osgp.messages.descriptions import Answers, read_described
from osgp.messages.visited_meter import VisitedMeter

_REGISTERS = ("register", "extended_register")
"""Interface classes whose value has a scaler and unit."""


def is_register(item: CosemObject) -> bool:
    """Whether the value of an object has a scaler and unit."""
    return item.interface_class.name in _REGISTERS


def describe_registers(meter: VisitedMeter, tags: Sequence[str]) -> list[AttributeDescriptor]:
    """The attributes that describe the values of registers, in the same order."""
    return [meter.find_attribute(tag, "scaler_unit") for tag in tags]


def choose_scaler_unit(
    meter: VisitedMeter, tag: str, descriptions: Answers, known: ScalerUnit | None = None
) -> ScalerUnit:
    """Return scaler and unit of a register: what the meter tells, else the profile, else ``known``.

    Where the profile leaves them open they may be known by the model of an M-Bus device. Raises Fault if
    nobody tells them, or the meter does not and contradicts the profile in another register of that unit.
    """
    told = descriptions[meter.find_attribute(tag, "scaler_unit")]
    registered = Registered.from_meter(meter)
    stated = find_stated_scaler_unit(registered, meter.find_object(tag)["scaler_unit"]) or known
    try:
        if isinstance(told, Fault):
            raise told
        found = parse_scaler_unit(told, tag)
        if stated is None or is_told(found) or found == stated:
            return found
        refusal = None
    except Fault as fault:
        if stated is None:
            raise
        refusal = fault
    other = find_rescaled(meter, stated.unit)
    if other is None:
        return stated
    if refusal is not None and refusal.retryable:
        raise refusal
    raise Fault(
        FaultCode.ERROR_RETRIEVING_ATTRIBUTE_VALUE,
        f"The meter does not tell scaler and unit of {tag}; those of {other} are not as the profile says.",
        component=Component.PROTOCOL_DLMS,
    )


def read_scaler_units(
    meter: VisitedMeter, tags: Sequence[str], known: ScalerUnit | None = None, group: str | None = None
) -> dict[str, ScalerUnit]:
    """Find scaler and unit of registers. The meter is asked once a day, in as few round trips as it allows.

    ``known`` applies to those that neither the meter nor the profile tells: it depends on the model. The
    ``group`` is that of :func:`read_described`; by default there is one of these tags. Raises Fault for a
    register that nobody describes.
    """
    descriptions = _read(meter, tags, group)
    return {tag: choose_scaler_unit(meter, tag, descriptions, known) for tag in tags}


def read_each_scaler_unit(
    meter: VisitedMeter, tags: Sequence[str], group: str | None = None
) -> dict[str, ScalerUnit | Fault]:
    """As :func:`read_scaler_units`, but an error of one register does not affect the others."""
    descriptions = _read(meter, tags, group)
    found: dict[str, ScalerUnit | Fault] = {}
    for tag in tags:
        try:
            found[tag] = choose_scaler_unit(meter, tag, descriptions)
        except Fault as fault:
            found[tag] = fault
    return found


def _read(meter: VisitedMeter, tags: Sequence[str], group: str | None) -> Answers:
    if group is None:
        # Short, as it is kept with each device.
        group = f"scalers {zlib.crc32(' '.join(tags).encode()):08x}"
    return read_described(meter, group, (), describe_registers(meter, tags)).descriptions
