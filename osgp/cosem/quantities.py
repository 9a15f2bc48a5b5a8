"""From what a register says to a measured value: exact decimals, scaler applied, units for people."""

from decimal import Decimal
from typing import NamedTuple

from osgp.catalogue.units import ScalerUnit, Unit
from osgp.cosem.errors import make_illegal_response
from osgp.protocol_dlms import Data

LARGEST_SCALER = 24
"""Powers of ten beyond the SI prefixes are no scaler but a broken answer."""

_SHOWN_AS: dict[Unit, tuple[int, Unit | str]] = {
    Unit.WH: (-3, "kWh"),
    Unit.M3: (0, Unit.M3),
    Unit.M3_CORRECTED: (0, Unit.M3),
}


class Quantity(NamedTuple):
    """A measured value, its scaler already applied."""

    value: Decimal
    unit: Unit | str


class Scale(NamedTuple):
    """How the numbers of a register become measured values: times ten to the ``exponent``, in ``unit``."""

    exponent: int
    unit: Unit | str

    @property
    def symbol(self) -> str:
        """The unit as people write it."""
        return self.unit.symbol if isinstance(self.unit, Unit) else self.unit

    def apply(self, number: int) -> Quantity:
        """The measured value of a register's number, exact."""
        return Quantity(Decimal(number).scaleb(self.exponent), self.unit)


def format_decimal(number: int, exponent: int) -> str:
    """``number`` times ten to the ``exponent`` in digits: what ``format(Decimal(…), "f")`` gives, faster."""
    if exponent >= 0:
        return f"{number}{'0' * exponent}" if number else "0"
    digits = str(abs(number)).rjust(1 - exponent, "0")
    return f"{'-' if number < 0 else ''}{digits[:exponent]}.{digits[exponent:]}"


def find_meter_reading_scale(scaler_unit: ScalerUnit, name: str) -> Scale:
    """Energy in kWh, volume in m³. Raises Fault for any other unit."""
    if scaler_unit.unit not in _SHOWN_AS:
        raise make_illegal_response(
            f"The unit of {name} is {scaler_unit.unit.symbol}, which is no energy or volume."
        )
    exponent, unit = _SHOWN_AS[scaler_unit.unit]
    return Scale(scaler_unit.scaler + exponent, unit)


def parse_quantity(data: Data, scaler_unit: ScalerUnit, name: str) -> Quantity | None:
    """A register's value; energy in kWh, volume in m³. None for null-data. Raises Fault for anything odd."""
    number = parse_whole_number(data, name)
    return None if number is None else find_meter_reading_scale(scaler_unit, name).apply(number)


def parse_whole_number(data: Data, name: str) -> int | None:
    """A number of any width; None for null-data. Raises Fault for anything else."""
    if data.value is None:
        return None
    if isinstance(data.value, bool) or not isinstance(data.value, int):
        raise make_illegal_response(f"The value of {name} is not a number.")
    return data.value


def parse_scaler_unit(data: Data, name: str) -> ScalerUnit:
    """Attribute 3 of a register: structure of scaler and unit. Raises Fault for anything else."""
    parts = data.value
    if not isinstance(parts, tuple) or len(parts) != 2:
        raise make_illegal_response(f"The scaler and unit of {name} are no structure of two.")
    scaler, unit = (part.value for part in parts)
    if not isinstance(scaler, int) or not isinstance(unit, int) or abs(scaler) > LARGEST_SCALER:
        raise make_illegal_response(f"The scaler or unit of {name} is out of range.")
    try:
        return ScalerUnit(scaler, Unit(unit & 0xFF))  # type: ignore[call-arg]
    except ValueError:
        raise make_illegal_response(f"The unit of {name} has the unknown code {unit}.") from None
