"""From what a register says to a measured value: exact decimals, scaler applied, units for people."""

from decimal import Decimal

from osgp.catalogue.units import ScalerUnit, Unit
from osgp.faults import Component, Fault, FaultCode
from osgp.protocol_dlms import CosemDateTime, Data
from osgp.protocol_dlms.errors import DecodeError
from osgp.requests.serializers import Quantity

LARGEST_SCALER = 24
"""Powers of ten beyond the SI prefixes are no scaler but a broken answer."""

_SHOWN_AS: dict[Unit, tuple[Decimal, Unit | str]] = {
    Unit.WH: (Decimal("0.001"), "kWh"),
    Unit.M3: (Decimal(1), Unit.M3),
    Unit.M3_CORRECTED: (Decimal(1), Unit.M3),
}


def illegal(what: str) -> Fault:
    """The meter answered in time and form, but with data that make no sense."""
    return Fault(FaultCode.ILLEGAL_RESPONSE, what, component=Component.PROTOCOL_DLMS, retryable=True)


def quantity(data: Data, scaler_unit: ScalerUnit, name: str) -> Quantity | None:
    """A register's value; energy in kWh, volume in m³. None for null-data. Raises Fault for anything odd."""
    if data.value is None:
        return None
    if isinstance(data.value, bool) or not isinstance(data.value, int):
        raise illegal(f"The value of {name} is not a number.")
    if scaler_unit.unit not in _SHOWN_AS:
        raise illegal(f"The unit of {name} is {scaler_unit.unit.symbol}, which is no energy or volume.")
    factor, unit = _SHOWN_AS[scaler_unit.unit]
    return Quantity(Decimal(data.value).scaleb(scaler_unit.scaler) * factor, unit)


def scaler_unit(data: Data, name: str) -> ScalerUnit:
    """Attribute 3 of a register: structure of scaler and unit. Raises Fault for anything else."""
    parts = data.value
    if not isinstance(parts, tuple) or len(parts) != 2:
        raise illegal(f"The scaler and unit of {name} are no structure of two.")
    scaler, unit = (part.value for part in parts)
    if not isinstance(scaler, int) or not isinstance(unit, int) or abs(scaler) > LARGEST_SCALER:
        raise illegal(f"The scaler or unit of {name} is out of range.")
    try:
        return ScalerUnit(scaler, Unit(unit & 0xFF))  # type: ignore[call-arg]
    except ValueError:
        raise illegal(f"The unit of {name} has the unknown code {unit}.") from None


def moment(data: Data, name: str) -> CosemDateTime:
    """A clock value. Raises Fault unless it is a date-time."""
    if not isinstance(data.value, bytes):
        raise illegal(f"{name} is not a date-time.")
    try:
        return CosemDateTime.from_bytes(data.value)
    except (ValueError, DecodeError):
        raise illegal(f"{name} is not a date-time.") from None
