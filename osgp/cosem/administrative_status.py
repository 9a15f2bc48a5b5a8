"""The administrative status of a meter (object 0-1:94.31.0.255 of the Dutch companion standards)."""

from enum import StrEnum

from osgp.cosem.errors import make_illegal_response
from osgp.cosem.quantities import parse_whole_number
from osgp.protocol_dlms import Data, DataType


class AdministrativeStatus(StrEnum):
    """Whether the administration of the meter is on. Numbered from 0 in this order."""

    UNDEFINED = "UNDEFINED"
    OFF = "OFF"
    ON = "ON"


_BY_NUMBER = tuple(AdministrativeStatus)


def encode(status: AdministrativeStatus) -> Data:
    """Return the value of the object."""
    return Data(DataType.ENUM, _BY_NUMBER.index(status))


def parse(data: Data) -> AdministrativeStatus:
    """Return the status that a value means. Raises Fault for any other value."""
    number = parse_whole_number(data, "the administrative status")
    if number is None or not 0 <= number < len(_BY_NUMBER):
        raise make_illegal_response(f"The administrative status {number} is none of 0, 1 and 2.")
    return _BY_NUMBER[number]
