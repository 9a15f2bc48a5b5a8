"""From the value of a register to a measured value: exact decimal, scaler applied, unit."""

from decimal import Decimal
from typing import NamedTuple

from osgp.catalogue.units import ScalerUnit, Unit
from osgp.cosem.errors import make_illegal_response
from osgp.cosem.numbers import to_number
from osgp.protocol_dlms import Data

LARGEST_SCALER = 24
"""The range of the SI prefixes; an answer with another power of ten is invalid."""

_SHOWN_AS: dict[Unit, tuple[int, Unit | str]] = {
    Unit.WH: (-3, "kWh"),
    Unit.M3: (0, Unit.M3),
    Unit.M3_CORRECTED: (0, Unit.M3),
    Unit.LITRE: (-3, Unit.M3),
}


class Quantity(NamedTuple):
    """A measured value, its scaler already applied."""

    value: Decimal
    unit: Unit | str

    def __str__(self) -> str:
        symbol = self.unit.symbol if isinstance(self.unit, Unit) else self.unit
        return f"{self.value:f} {symbol}"


class Scale(NamedTuple):
    """Converts the numbers of a register to measured values: times ten to the ``exponent``, in ``unit``."""

    exponent: int
    unit: Unit | str

    @property
    def symbol(self) -> str:
        """The symbol of the unit."""
        return self.unit.symbol if isinstance(self.unit, Unit) else self.unit

    def apply(self, number: int | Decimal) -> Quantity:
        """Return the exact measured value of a register's number."""
        return Quantity(Decimal(number).scaleb(self.exponent), self.unit)


def format_decimal(number: int | Decimal, exponent: int) -> str:
    """Return ``number`` times ten to the ``exponent`` in digits; a faster ``format(Decimal(…), "f")``."""
    if isinstance(number, Decimal):
        return f"{number.scaleb(exponent):f}"
    if exponent >= 0:
        return f"{number}{'0' * exponent}" if number else "0"
    digits = str(abs(number)).rjust(1 - exponent, "0")
    return f"{'-' if number < 0 else ''}{digits[:exponent]}.{digits[exponent:]}"


def find_meter_reading_scale(scaler_unit: ScalerUnit, name: str) -> Scale:
    """Return the scale to kWh for energy and to m³ for volume. Raises Fault for any other unit."""
    if scaler_unit.unit not in _SHOWN_AS:
        raise make_illegal_response(
            f"The unit of {name} is {scaler_unit.unit.symbol}, which is neither energy nor volume."
        )
    exponent, unit = _SHOWN_AS[scaler_unit.unit]
    return Scale(scaler_unit.scaler + exponent, unit)


def parse_quantity(data: Data, scaler_unit: ScalerUnit, name: str) -> Quantity | None:
    """Return a total, energy in kWh or volume in m³; None for null-data.

    Raises Fault for another unit, and unless the value is a number that is not negative: totals begin at 0.
    """
    number = parse_number(data, name)
    if number is None:
        return None
    if number < 0:
        raise make_illegal_response(f"{name} is negative.")
    return find_meter_reading_scale(scaler_unit, name).apply(number)


def parse_number(data: Data, name: str) -> int | Decimal | None:
    """Return a number of any type, floats as the shortest decimals that stand for them; None for null-data.

    Raises Fault for anything else.
    """
    try:
        return to_number(data.value)
    except ValueError:
        raise make_illegal_response(f"The value of {name} is not a number.") from None


def parse_whole_number(data: Data, name: str) -> int | None:
    """Return an integer of any type, also as a float; None for null-data. Raises Fault for anything else."""
    number = parse_number(data, name)
    if isinstance(number, Decimal):
        whole = int(number)
        if whole != number:
            raise make_illegal_response(f"The value of {name} is not a whole number.")
        return whole
    return number


def parse_scaler_unit(data: Data, name: str) -> ScalerUnit:
    """Return attribute 3 of a register. Raises Fault unless it is a structure of scaler and known unit."""
    parts = data.value
    if not isinstance(parts, tuple) or len(parts) != 2:
        raise make_illegal_response(f"The scaler and unit of {name} are not a structure of two.")
    scaler, unit = (part.value for part in parts)
    if isinstance(scaler, bool) or isinstance(unit, bool):
        raise make_illegal_response(f"The scaler or unit of {name} is a truth value.")
    if not isinstance(scaler, int) or not isinstance(unit, int) or abs(scaler) > LARGEST_SCALER:
        raise make_illegal_response(f"The scaler or unit of {name} is out of range.")
    try:
        return ScalerUnit(scaler, Unit(unit & 0xFF))  # type: ignore[call-arg]
    except ValueError:
        raise make_illegal_response(f"The unit of {name} has the unknown code {unit}.") from None
