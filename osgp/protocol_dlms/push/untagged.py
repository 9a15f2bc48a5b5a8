"""Bodies whose attribute descriptors have no type tags: Sagemcom XT211, EGD in the Czech Republic.

They look like A-XDR and are not: ``02 02``, an enumeration, an array, and in it for each value ``02 02``,
then class id (2 octets), logical name (6) and attribute id (1) without a tag, and the value with its tags.
Read as A-XDR the class id would be null-data. :func:`decode` returns what the meter means, with tags.
"""

from osgp.protocol_dlms import axdr
from osgp.protocol_dlms.budget import Budget
from osgp.protocol_dlms.data import Data, DataType
from osgp.protocol_dlms.errors import DecodeError, IllegalResponse
from osgp.protocol_dlms.octets import Cursor

_PAIR = bytes((DataType.STRUCTURE, 2))
_HEADER_LENGTH = 5  # structure of two, enumeration with its value, tag of the array
_DESCRIPTOR_LENGTH = 9
_ELEMENTS = 5  # of the array, each a structure of a descriptor in three parts and a value


def is_untagged(body: bytes) -> bool:
    """Return whether a body begins as these do: the header and, after it, a first value of a class below 256.

    A structure of an enumeration and an array of A-XDR differs, unless all in the array are pairs of nothing
    and something.
    """
    if len(body) <= _HEADER_LENGTH or body[:2] != _PAIR:
        return False
    if body[2] != DataType.ENUM or body[4] != DataType.ARRAY:
        return False
    size = body[5] & 0x7F if body[5] & 0x80 else 0
    first = _HEADER_LENGTH + 1 + size
    return body[first : first + 3] == _PAIR + b"\0"


def decode(body: bytes) -> Data:
    """Return a structure of the enumeration and an array.

    Its elements are structures of class id, logical name, attribute id and value. Raises DecodeError unless
    the body is exactly that, and within the budget for its octets.
    """
    try:
        return _decode(body)
    except DecodeError:
        raise
    except IllegalResponse:
        raise DecodeError("the data are cut short") from None


def _decode(body: bytes) -> Data:
    cursor = Cursor(body, _HEADER_LENGTH)
    count = cursor.read_length()
    if count * (len(_PAIR) + _DESCRIPTOR_LENGTH + 1) > len(body):
        raise DecodeError(f"{count} elements announced, more than there are octets")
    budget = Budget(len(body))
    budget.spend(count * _ELEMENTS)
    entries = []
    for _ in range(count):
        if cursor.read(len(_PAIR)) != _PAIR:
            raise DecodeError("a value is not a structure of two")
        descriptor = (
            Data(DataType.LONG_UNSIGNED, cursor.read_unsigned(2)),
            Data(DataType.OCTET_STRING, cursor.read(6)),
            Data(DataType.INTEGER, int.from_bytes(cursor.read(1), "big", signed=True)),
        )
        value, cursor.position = axdr.decode_prefix(body, cursor.position, budget=budget)
        entries.append(Data(DataType.STRUCTURE, (*descriptor, value)))
    if not cursor.at_end:
        raise DecodeError(f"{len(body) - cursor.position} octets follow the data")
    return Data(DataType.STRUCTURE, (Data(DataType.ENUM, body[3]), Data(DataType.ARRAY, tuple(entries))))
