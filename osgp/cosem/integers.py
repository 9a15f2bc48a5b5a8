"""Integers of the data type that a profile states for an attribute."""

from osgp.catalogue import Attribute
from osgp.protocol_dlms import Data, DataType


def encode_integer(attribute: Attribute, number: int) -> Data:
    """Return a number as the attribute holds it.

    Raises ValueError if its data type is no integer type, or cannot hold the number.
    """
    allowed = attribute.integer_range
    if allowed is None:
        raise ValueError(f"{attribute.name} is of type {attribute.data_type}, which holds no integers")
    if number not in allowed:
        raise ValueError(f"{number} is outside {allowed[0]}..{allowed[-1]} of {attribute.data_type}")
    return Data(DataType[attribute.data_type.upper().replace("-", "_")], number)
