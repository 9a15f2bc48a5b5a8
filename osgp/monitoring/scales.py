"""Scalers and units of registers: from the profile where all meters have the same, else from the meter."""

from collections.abc import Sequence

from osgp.catalogue.units import ScalerUnit
from osgp.cosem.quantities import scaler_unit
from osgp.requests.meter import VisitedMeter


def scaler_units(
    meter: VisitedMeter, tags: Sequence[str], known: ScalerUnit | None = None
) -> dict[str, ScalerUnit]:
    """Scaler and unit of some registers; what has to be read takes as few round trips as the meter allows.

    ``known`` is what the model of the meter tells about those that the profile leaves open. Raises Fault for
    what makes no sense.
    """
    found = {tag: meter.object(tag).attributes[3].scaler_unit or known for tag in tags}
    from_meter = [tag for tag, scale in found.items() if scale is None]
    values = meter.get_all([meter.attribute(tag, 3) for tag in from_meter])
    read = {tag: scaler_unit(data, tag) for tag, data in zip(from_meter, values, strict=True)}
    return {tag: scale or read[tag] for tag, scale in found.items()}
