"""Which data an attribute takes when it is set: the type, and for arrays and structures what is inside."""

from collections.abc import Mapping
from dataclasses import dataclass

from ..codec.axdr import Data, DataType


@dataclass(frozen=True, slots=True)
class Shape:
    """Data of one of ``types``; an octet-string or bit-string of ``length`` when given.

    A structure has exactly the ``members``; an array holds any number of elements, up to ``maximum``, that
    have the shape of its single member. Without members it does not matter what is inside.
    """

    types: tuple[DataType, ...]
    members: tuple["Shape", ...] = ()
    length: int | None = None
    maximum: int = 256

    def fits(self, data: Data) -> bool:
        """Whether ``data`` is acceptable."""
        if data.type not in self.types:
            return False
        if data.type is DataType.ARRAY and len(data.value) > self.maximum:
            return False
        if data.type in (DataType.ARRAY, DataType.STRUCTURE) and not self.members:
            return True
        if data.type is DataType.STRUCTURE:
            return len(data.value) == len(self.members) and all(
                member.fits(item) for member, item in zip(self.members, data.value, strict=True)
            )
        if data.type is DataType.ARRAY:
            return all(self.members[0].fits(item) for item in data.value)
        return self.length is None or not data.value or len(data.value) == self.length


def of(*types: DataType, length: int | None = None) -> Shape:
    """A simple type."""
    return Shape(types, length=length)


def structure(*members: Shape) -> Shape:
    """A structure with these members."""
    return Shape((DataType.STRUCTURE,), members)


def array(member: Shape, maximum: int = 256) -> Shape:
    """An array of this."""
    return Shape((DataType.ARRAY,), (member,), maximum=maximum)


UNSIGNED = of(DataType.UNSIGNED)
LONG_UNSIGNED = of(DataType.LONG_UNSIGNED)
DOUBLE_LONG_UNSIGNED = of(DataType.DOUBLE_LONG_UNSIGNED)
ENUM = of(DataType.ENUM)
INTEGER = of(DataType.INTEGER)
OCTET_STRING = of(DataType.OCTET_STRING)
LOGICAL_NAME = of(DataType.OCTET_STRING, length=6)
DATE_TIME = of(DataType.OCTET_STRING, DataType.DATE_TIME, length=12)
DATE = of(DataType.OCTET_STRING, DataType.DATE, length=5)
TIME = of(DataType.OCTET_STRING, DataType.TIME, length=4)
SCALER_UNIT = structure(INTEGER, ENUM)
OBJECT_DEFINITION = structure(LONG_UNSIGNED, LOGICAL_NAME, INTEGER, LONG_UNSIGNED)

COMPOSITE: Mapping[tuple[int, int], Shape] = {
    (3, 3): SCALER_UNIT,
    (4, 3): SCALER_UNIT,
    (7, 3): array(OBJECT_DEFINITION, 64),
    (8, 2): DATE_TIME,
    (8, 5): DATE_TIME,
    (8, 6): DATE_TIME,
    (11, 2): array(structure(LONG_UNSIGNED, DATE, UNSIGNED)),
    (20, 7): array(structure(OCTET_STRING, DATE_TIME, OCTET_STRING), 16),
    (20, 8): array(structure(OCTET_STRING, *[UNSIGNED] * 7), 16),
    (20, 9): array(structure(UNSIGNED, array(structure(TIME, LOGICAL_NAME, LONG_UNSIGNED), 64)), 64),
    (20, 10): DATE_TIME,
    (22, 4): array(structure(TIME, DATE)),
    (40, 2): array(OBJECT_DEFINITION, 64),
    (40, 3): structure(ENUM, OCTET_STRING, ENUM),
    (40, 4): array(structure(DATE_TIME, DATE_TIME)),
    # A channel without a device is written as null-data.
    (72, 6): of(DataType.DOUBLE_LONG_UNSIGNED, DataType.NULL_DATA),
    (72, 7): of(DataType.LONG_UNSIGNED, DataType.NULL_DATA),
}
"""By class and attribute, wherever the data type of the catalogue says less."""

RANGES: Mapping[tuple[int, int], range] = {
    (7, 4): range(86_401),  # capture period: at most a day
    (8, 3): range(-720, 721),  # time zone in minutes
    (70, 4): range(7),  # control modes
}
"""By class and attribute, what numbers a meter can do something with."""

BY_TAG: Mapping[tuple[str, int, str], Shape] = {
    ("CONFIGURATION_OBJECT", 2, "structure"): structure(ENUM, of(DataType.BIT_STRING, length=16)),
    ("CONFIGURATION_OBJECT", 2, "bit-string"): of(DataType.BIT_STRING, length=16),
    ("RANDOMISATION_SETTINGS", 2, "structure"): structure(DOUBLE_LONG_UNSIGNED, LONG_UNSIGNED, LONG_UNSIGNED),
}
"""By tag, attribute and data type, for the objects of class 1."""

CATALOGUE_TYPES: Mapping[str, DataType] = {
    "scal_unit_type": DataType.STRUCTURE,
    "clock_status": DataType.UNSIGNED,
    "object_list_type": DataType.ARRAY,
    "associated_partners_type": DataType.STRUCTURE,
    "context_name_type": DataType.STRUCTURE,
    "xDLMS_context_type": DataType.STRUCTURE,
    "mechanism_name_type": DataType.STRUCTURE,
    "object_definition": DataType.STRUCTURE,
    "cell_info_type": DataType.STRUCTURE,
    "script": DataType.STRUCTURE,
    **{tag.type_name: tag for tag in DataType},
}
"""The data type on the wire for each type name of the catalogue."""


def shape_of(tag: str, class_id: int, attribute_id: int, data_type: str) -> Shape:
    """What attribute ``attribute_id`` of the object ``tag`` takes."""
    shape = BY_TAG.get((tag, attribute_id, data_type)) or COMPOSITE.get((class_id, attribute_id))
    return shape or of(CATALOGUE_TYPES[data_type])
