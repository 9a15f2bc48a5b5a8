"""Which data an attribute takes when it is set: the type, and for arrays and structures what is inside."""

from collections.abc import Mapping
from dataclasses import dataclass

from osgp.catalogue import Attribute, CosemObject

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

_SEASONS = array(structure(OCTET_STRING, DATE_TIME, OCTET_STRING), 16)
_WEEKS = array(structure(OCTET_STRING, *[UNSIGNED] * 7), 16)
_DAYS = array(structure(UNSIGNED, array(structure(TIME, LOGICAL_NAME, LONG_UNSIGNED), 64)), 64)

COMPOSITE: Mapping[tuple[str, str], Shape] = {
    ("register", "scaler_unit"): SCALER_UNIT,
    ("extended_register", "scaler_unit"): SCALER_UNIT,
    ("profile_generic", "capture_objects"): array(OBJECT_DEFINITION, 64),
    ("clock", "time"): DATE_TIME,
    ("clock", "daylight_savings_begin"): DATE_TIME,
    ("clock", "daylight_savings_end"): DATE_TIME,
    ("special_days_table", "entries"): array(structure(LONG_UNSIGNED, DATE, UNSIGNED)),
    ("activity_calendar", "season_profile_active"): _SEASONS,
    ("activity_calendar", "week_profile_table_active"): _WEEKS,
    ("activity_calendar", "day_profile_table_active"): _DAYS,
    ("activity_calendar", "season_profile_passive"): _SEASONS,
    ("activity_calendar", "week_profile_table_passive"): _WEEKS,
    ("activity_calendar", "day_profile_table_passive"): _DAYS,
    ("activity_calendar", "activate_passive_calendar_time"): DATE_TIME,
    ("single_action_schedule", "execution_time"): array(structure(TIME, DATE)),
    ("push_setup", "push_object_list"): array(OBJECT_DEFINITION, 64),
    ("push_setup", "send_destination_and_method"): structure(ENUM, OCTET_STRING, ENUM),
    ("push_setup", "communication_window"): array(structure(DATE_TIME, DATE_TIME)),
    # A channel without a device is written as null-data.
    ("mbus_client", "identification_number"): of(DataType.DOUBLE_LONG_UNSIGNED, DataType.NULL_DATA),
    ("mbus_client", "manufacturer_id"): of(DataType.LONG_UNSIGNED, DataType.NULL_DATA),
}
"""By names of class and attribute, wherever the data type of the catalogue says less."""

RANGES: Mapping[tuple[str, str], range] = {
    ("profile_generic", "capture_period"): range(86_401),  # at most a day
    ("clock", "time_zone"): range(-720, 721),  # minutes
    ("clock", "daylight_savings_deviation"): range(-120, 121),  # minutes
    ("disconnect_control", "control_mode"): range(7),
}
"""By names of class and attribute, what numbers a meter can do something with."""

RANGES_BY_TAG: Mapping[tuple[str, str], range] = {
    ("ADMINISTRATIVE_IN_OUT", "value"): range(3),  # undefined, off, on
}
"""The same by tag and name of the attribute, for data of class 1."""

BY_TAG: Mapping[tuple[str, str, str], Shape] = {
    ("CONFIGURATION_OBJECT", "value", "structure"): structure(ENUM, of(DataType.BIT_STRING, length=16)),
    ("CONFIGURATION_OBJECT", "value", "bit-string"): of(DataType.BIT_STRING, length=16),
    ("RANDOMISATION_SETTINGS", "value", "structure"): structure(
        DOUBLE_LONG_UNSIGNED, LONG_UNSIGNED, LONG_UNSIGNED
    ),
}
"""By tag, name of the attribute and data type, for data of class 1."""

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


def find_shape(cosem_object: CosemObject, attribute: Attribute) -> Shape:
    """What an attribute takes."""
    shape = BY_TAG.get((cosem_object.tag, attribute.name, attribute.data_type)) or COMPOSITE.get(
        (cosem_object.interface_class.name, attribute.name)
    )
    return shape or of(CATALOGUE_TYPES[attribute.data_type])
