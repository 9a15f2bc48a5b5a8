"""Physical units and scalers of COSEM registers (Blue Book part 2, class 3, table of physical units)."""

import re
from decimal import Decimal
from enum import IntEnum
from typing import NamedTuple, Self


class Unit(IntEnum):
    """The DLMS unit code; `symbol` is the unit in print ("Wh", "m³", "%")."""

    symbol: str

    def __new__(cls, code: int, symbol: str) -> Self:
        unit = int.__new__(cls, code)
        unit._value_ = code
        unit.symbol = symbol
        return unit

    # 0 is no unit of the Blue Book; meters send it in a scaler_unit that they do not use.
    UNDEFINED = 0, "undefined"
    YEAR = 1, "a"
    MONTH = 2, "mo"
    WEEK = 3, "wk"
    DAY = 4, "d"
    HOUR = 5, "h"
    MINUTE = 6, "min"
    SECOND = 7, "s"
    DEGREE = 8, "°"
    DEGREE_CELSIUS = 9, "°C"
    CURRENCY = 10, "currency"
    M = 11, "m"
    METRE_PER_SECOND = 12, "m/s"
    M3 = 13, "m³"
    M3_CORRECTED = 14, "m³ (corrected)"
    M3_PER_HOUR = 15, "m³/h"
    M3_PER_HOUR_CORRECTED = 16, "m³/h (corrected)"
    M3_PER_DAY = 17, "m³/d"
    M3_PER_DAY_CORRECTED = 18, "m³/d (corrected)"
    LITRE = 19, "l"
    KILOGRAM = 20, "kg"
    NEWTON = 21, "N"
    NEWTON_METRE = 22, "Nm"
    PASCAL = 23, "Pa"
    BAR = 24, "bar"
    JOULE = 25, "J"
    JOULE_PER_HOUR = 26, "J/h"
    W = 27, "W"
    VA = 28, "VA"
    VAR = 29, "var"
    WH = 30, "Wh"
    VAH = 31, "VAh"
    VARH = 32, "varh"
    A = 33, "A"
    COULOMB = 34, "C"
    V = 35, "V"
    VOLT_PER_METRE = 36, "V/m"
    FARAD = 37, "F"
    OHM = 38, "Ω"
    RESISTIVITY = 39, "Ωm²/m"
    WEBER = 40, "Wb"
    TESLA = 41, "T"
    AMPERE_PER_METRE = 42, "A/m"
    HENRY = 43, "H"
    HERTZ = 44, "Hz"
    PULSE_PER_WH = 45, "1/Wh"
    PULSE_PER_VARH = 46, "1/varh"
    PULSE_PER_VAH = 47, "1/VAh"
    VOLT_SQUARED_HOUR = 48, "V²h"
    AMPERE_SQUARED_HOUR = 49, "A²h"
    KILOGRAM_PER_SECOND = 50, "kg/s"
    SIEMENS = 51, "S"
    KELVIN = 52, "K"
    PULSE_PER_VOLT_SQUARED_HOUR = 53, "1/V²h"
    PULSE_PER_AMPERE_SQUARED_HOUR = 54, "1/A²h"
    PULSE_PER_M3 = 55, "1/m³"
    PERCENT = 56, "%"
    AMPERE_HOUR = 57, "Ah"
    WH_PER_M3 = 60, "Wh/m³"
    JOULE_PER_M3 = 61, "J/m³"
    MOLE_PERCENT = 62, "mol%"
    GRAM_PER_M3 = 63, "g/m³"
    PASCAL_SECOND = 64, "Pa s"
    JOULE_PER_KILOGRAM = 65, "J/kg"
    GRAM_PER_CM2 = 66, "g/cm²"
    ATMOSPHERE = 67, "atm"
    DECIBEL_MILLIWATT = 70, "dBm"
    DECIBEL_MICROVOLT = 71, "dBµV"
    DECIBEL = 72, "dB"
    OTHER = 254, "other"
    COUNT = 255, ""

    @classmethod
    def from_text(cls, text: str) -> "Unit":
        """Return the unit of a symbol or name ("%", "s", "WH", "M3"). Raises ValueError for an unknown one.

        Symbols take precedence and are case-sensitive: "s" is the second and "S" the siemens.
        """
        unit = _BY_TEXT.get(text)
        if unit is None:
            raise ValueError(f"unknown unit {text[:40]!r}")
        return unit


_BY_TEXT: dict[str, Unit] = {unit.name: unit for unit in Unit} | {
    unit.symbol: unit for unit in Unit if unit.symbol
}
_SCALER_UNIT = re.compile(r"\s*([+-]?[0-9]{1,3})\s*,\s*(\S(?:.*\S)?)\s*", re.ASCII)


class ScalerUnit(NamedTuple):
    """Attribute 3 of a register: the value is the raw number times 10^scaler (-128..127), in `unit`."""

    scaler: int
    unit: Unit

    @classmethod
    def from_text(cls, text: str) -> "ScalerUnit":
        """Parse "0, WH" or "-3, M3" (as in profile files). Raises ValueError for anything else."""
        match = _SCALER_UNIT.fullmatch(text)
        if match is None:
            raise ValueError(f"not a scaler and unit: {text[:40]!r}")
        scaler = int(match.group(1))
        if not -128 <= scaler <= 127:
            raise ValueError(f"scaler {scaler} is outside -128..127")
        return cls(scaler, Unit.from_text(match.group(2)))

    def apply(self, raw: int) -> Decimal:
        """Return the exact value of a raw register number, in `unit`."""
        return Decimal(raw).scaleb(self.scaler)

    def __str__(self) -> str:
        return f"{self.scaler}, {self.unit.name}"
