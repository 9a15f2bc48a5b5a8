"""COSEM data as JSON: ``{"type": "long-unsigned", "value": 5}``, for people and for tests.

Octet-strings, date-times, dates and times are hexadecimal text; bit-strings text of 0 and 1; arrays and
structures lists of such objects; null-data has no value, nor has a float that is no number or infinite.
"""

from math import isfinite
from typing import Any

from .codec.axdr import FIXED_OCTETS, MAXIMUM_DEPTH, Data, DataType

_BY_NAME = {data_type.type_name: data_type for data_type in DataType}
_OCTETS = (DataType.OCTET_STRING, *FIXED_OCTETS)
_COMPOSITE = (DataType.ARRAY, DataType.STRUCTURE)
_VALUELESS = (DataType.NULL_DATA, DataType.DONT_CARE)
_TEXT = (DataType.VISIBLE_STRING, DataType.UTF8_STRING, DataType.BIT_STRING)
_REAL = (DataType.FLOAT32, DataType.FLOAT64)


def to_json(data: Data) -> dict[str, Any]:
    """The JSON form of ``data``."""
    value = data.value
    if data.type in _COMPOSITE:
        value = [to_json(item) for item in value]
    elif data.type in _OCTETS:
        value = value.hex()
    elif isinstance(value, float) and not isfinite(value):
        value = None
    return {"type": data.type.type_name, "value": value}


def from_json(document: Any, depth: int = 0) -> Data:
    """The data that a JSON document means; ValueError, with what is wrong, when it means none."""
    if not isinstance(document, dict) or not set(document) <= {"type", "value"}:
        raise ValueError("data is an object with type and value")
    if depth > MAXIMUM_DEPTH:
        raise ValueError("data is nested too deep")
    name = document.get("type")
    data_type = _BY_NAME.get(name) if isinstance(name, str) else None
    if data_type is None:
        raise ValueError(f"there is no data type {str(name)[:40]!r}")
    value = document.get("value")
    if data_type in _VALUELESS:
        return Data(data_type)
    if data_type in _COMPOSITE:
        if not isinstance(value, list):
            raise ValueError(f"the value of {data_type.type_name} is a list")
        return Data(data_type, tuple(from_json(item, depth + 1) for item in value))
    if data_type in _OCTETS:
        if not isinstance(value, str):
            raise ValueError(f"the value of {data_type.type_name} is hexadecimal text")
        return Data(data_type, bytes.fromhex(value))
    if not isinstance(value, _find_python_type(data_type)) or (
        isinstance(value, bool) and data_type is not DataType.BOOLEAN
    ):
        raise ValueError(f"the value of {data_type.type_name} has the wrong JSON type")
    if isinstance(value, float) and not isfinite(value):
        raise ValueError(f"the value of {data_type.type_name} is no number of JSON")
    return Data(data_type, value)


def _find_python_type(data_type: DataType) -> type | tuple[type, ...]:
    if data_type is DataType.BOOLEAN:
        return bool
    if data_type in _TEXT:
        return str
    return (int, float) if data_type in _REAL else int
