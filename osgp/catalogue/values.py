"""The data types that a profile file may name, and the values that each can have.

Types are the COSEM data types of the Blue Book, plus a few structures by their names in the companion
standards. The form of values in a file: docs/how-to/add-a-meter-profile.md.
"""

from osgp.catalogue import obis
from osgp.catalogue.units import ScalerUnit

SCALER_UNIT = "scal_unit_type"

_INTEGER_RANGES = {
    "integer": (-(2**7), 2**7 - 1),
    "long": (-(2**15), 2**15 - 1),
    "double-long": (-(2**31), 2**31 - 1),
    "long64": (-(2**63), 2**63 - 1),
    "unsigned": (0, 2**8 - 1),
    "long-unsigned": (0, 2**16 - 1),
    "double-long-unsigned": (0, 2**32 - 1),
    "long64-unsigned": (0, 2**64 - 1),
    "enum": (0, 2**8 - 1),
}

# Octet-strings and the clock status may also name what a live meter puts there.
_LIVE_VALUES = {
    "octet-string": "CURRENT_LOCAL_DATE_AND_TIME",
    "clock_status": "OK",
}

_WITHOUT_VALUE = frozenset(
    {
        "array",
        "structure",
        "bit-string",
        "visible-string",
        "utf8-string",
        "date-time",
        "date",
        "time",
        "object_list_type",
        "associated_partners_type",
        "context_name_type",
        "xDLMS_context_type",
        "mechanism_name_type",
        "object_definition",
        "cell_info_type",
        "script",
    }
)

DATA_TYPES = frozenset({*_INTEGER_RANGES, *_LIVE_VALUES, *_WITHOUT_VALUE, "boolean", SCALER_UNIT})


def find_integer_range(data_type: str) -> range | None:
    """Return the numbers that an integer type can hold; None for another type."""
    bounds = _INTEGER_RANGES.get(data_type)
    return range(bounds[0], bounds[1] + 1) if bounds else None


def to_text(data_type: str, value: object) -> str:
    """Return a value of a profile file as text. Raises ValueError if it does not fit the data type."""
    if data_type in _INTEGER_RANGES:
        return _format_integer(data_type, value)
    if data_type == "boolean":
        if not isinstance(value, bool):
            raise ValueError(f"{value!r} is not of type boolean")
        return "1" if value else "0"
    if data_type in _WITHOUT_VALUE:
        raise ValueError(f"an attribute of type {data_type} takes no value here")
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not of type {data_type}")
    if data_type == SCALER_UNIT:
        return str(ScalerUnit.from_text(value))
    if value == _LIVE_VALUES[data_type]:
        return value
    if data_type == "octet-string":
        return obis.to_text(obis.parse(value))
    raise ValueError(f"{value!r} is not of type {data_type}")


def _format_integer(data_type: str, value: object) -> str:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"{value!r} is not of type {data_type}")
    lowest, highest = _INTEGER_RANGES[data_type]
    if not lowest <= value <= highest:
        raise ValueError(f"{value} is outside {lowest}..{highest} of {data_type}")
    return str(value)
