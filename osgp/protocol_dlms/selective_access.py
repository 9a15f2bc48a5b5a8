"""Selective access to the buffer of a profile: by range of a sorting object's values, or by entry (Blue
Book 4.3.6).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from osgp.catalogue.cosem import AttributeDescriptor
from osgp.protocol_dlms import axdr
from osgp.protocol_dlms.cosem_time import CosemDateTime
from osgp.protocol_dlms.data import Data, DataType

CLOCK_TIME = AttributeDescriptor(8, bytes((0, 0, 1, 0, 0, 255)), 2)

_RANGE, _ENTRY = 1, 2


class CaptureObjectDefinition(NamedTuple):
    """A captured attribute; ``data_index`` 0 is all of it, 1.. an element of its structure or array."""

    attribute: AttributeDescriptor
    data_index: int = 0

    def as_data(self) -> Data:
        class_id, logical_name, attribute_id = self.attribute
        return Data(
            DataType.STRUCTURE,
            (
                Data(DataType.LONG_UNSIGNED, class_id),
                Data(DataType.OCTET_STRING, logical_name),
                Data(DataType.INTEGER, attribute_id),
                Data(DataType.LONG_UNSIGNED, self.data_index),
            ),
        )


CLOCK = CaptureObjectDefinition(CLOCK_TIME)


@dataclass(frozen=True, slots=True)
class RangeDescriptor:
    """The entries whose restricting object has a value from ``from_value`` to ``to_value``, both included.

    A :class:`CosemDateTime` is sent as date-time; pass Data for a meter that expects an octet-string, or for
    a restricting object other than a clock. No ``columns`` selects all.
    """

    from_value: CosemDateTime | Data
    to_value: CosemDateTime | Data
    columns: Sequence[CaptureObjectDefinition] = ()
    restricting_object: CaptureObjectDefinition = CLOCK

    def encode(self) -> bytes:
        """Return access selector and parameters. Raises :class:`EncodeError` for values out of range."""
        parameters = Data(
            DataType.STRUCTURE,
            (
                self.restricting_object.as_data(),
                _encode_bound(self.from_value),
                _encode_bound(self.to_value),
                Data(DataType.ARRAY, tuple(column.as_data() for column in self.columns)),
            ),
        )
        return bytes((_RANGE,)) + axdr.encode(parameters)


@dataclass(frozen=True, slots=True)
class EntryDescriptor:
    """Ranges of entries and of columns, both ends included, counted from 1.

    ``to_entry`` 0 is the last entry, ``to_column`` 0 the last column.
    """

    from_entry: int = 1
    to_entry: int = 0
    from_column: int = 1
    to_column: int = 0

    def encode(self) -> bytes:
        """Return access selector and parameters. Raises :class:`EncodeError` for numbers out of range."""
        parameters = Data(
            DataType.STRUCTURE,
            (
                Data(DataType.DOUBLE_LONG_UNSIGNED, self.from_entry),
                Data(DataType.DOUBLE_LONG_UNSIGNED, self.to_entry),
                Data(DataType.LONG_UNSIGNED, self.from_column),
                Data(DataType.LONG_UNSIGNED, self.to_column),
            ),
        )
        return bytes((_ENTRY,)) + axdr.encode(parameters)


def _encode_bound(value: CosemDateTime | Data) -> Data:
    if isinstance(value, CosemDateTime):
        return Data(DataType.DATE_TIME, value.to_bytes())
    return value
