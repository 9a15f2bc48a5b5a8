"""What the model of a gas meter tells about its volume register.

The extended registers with the gas volume have no scaler in the profile: it depends on the size of the
meter, which the model's name gives away.
"""

from osgp.catalogue.units import ScalerUnit, Unit

_LITRES = ScalerUnit(-3, Unit.M3)
_TEN_LITRES = ScalerUnit(-2, Unit.M3)

# The last row with a name that is part of the model wins: these exceptions contain "G4", "G10" and "G25".
_BY_MODEL: tuple[tuple[tuple[str, ...], ScalerUnit | None], ...] = (
    (("G4", "G6"), _LITRES),
    (("G10", "G16", "G25"), _TEN_LITRES),
    (("G4SRT 1.2L", "G10-16SRT_SMR55", "G25SRT_SMR55"), None),
    (("elster-instromet", "flonidan-gasmeter"), None),
)


def gas_scaler_unit(device_model: str | None) -> ScalerUnit | None:
    """The scaler and unit of a gas meter of this model code; None: unknown, read scaler_unit from the meter.

    Upper and lower case matter.
    """
    found = None
    for names, scaler_unit in _BY_MODEL:
        if any(name in (device_model or "") for name in names):
            found = scaler_unit
    return found
