"""RetrieveConfigurationObjects: all readable attributes of a meter, apart from the rows of its buffers."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, TypedDict

from osgp import catalogue
from osgp.accounts.functions import DeviceFunctionGroup
from osgp.adhoc.listed_objects import (
    ListedObject,
    describe_object,
    describe_unreadable,
    read_object_list,
)
from osgp.catalogue.cosem import AttributeDescriptor
from osgp.cosem import object_list
from osgp.messages.listed_objects import ASSOCIATION
from osgp.messages.operation import MeterOperation, Service
from osgp.messages.registry import register
from osgp.messages.shapes import NoParameters
from osgp.messages.unavailable import Unavailable
from osgp.messages.value_sizes import estimate_json_size
from osgp.messages.visited_meter import VisitedMeter
from osgp.protocol_dlms import AccessResult, Data, DataType, is_secret

MOST_ATTRIBUTES = 10_000
"""Read of one meter; real ones have about a thousand."""
LARGEST_VALUE = 256 * 1024
LARGEST_RESULT = 2 * 1024 * 1024
"""Octets of JSON of all values, about; real ones have a tenth of it."""
PART_OF_TIME = 0.75
"""Share of the remaining session that may be used for reading."""


class AttributeStatus(StrEnum):
    READ = "READ"
    REFUSED = "REFUSED"
    UNDECODABLE = "UNDECODABLE"
    NOT_READ = "NOT_READ"


class NotRead(StrEnum):
    """Why an attribute was not asked for, or its value is not shown."""

    NOT_READABLE = "NOT_READABLE"
    BUFFER = "BUFFER"
    OBJECT_LIST = "OBJECT_LIST"
    SECRET = "SECRET"  # noqa: S105 (a reason)
    TOO_LARGE = "TOO_LARGE"
    TOO_MANY = "TOO_MANY"
    OUT_OF_TIME = "OUT_OF_TIME"


class AttributeValue(TypedDict):
    """One attribute with its value, or the reason why it has none."""

    attribute: int
    status: AttributeStatus
    value: Annotated[Data | None, "The value with its DLMS type."]
    reason: Annotated[
        str | None,
        "REFUSED: the access result. UNDECODABLE: what is wrong with the answer. NOT_READ: "
        + ", ".join(NotRead)
        + ".",
    ]


class ConfigurationObject(ListedObject):
    """One object with the values of its attributes."""

    attributes: list[AttributeValue]


class RetrieveConfigurationObjectsResult(TypedDict):
    """All objects of the meter's list."""

    objects: list[ConfigurationObject]
    unavailable: Annotated[
        list[Unavailable], "Invalid entries of the meter's object list, such as object_list[12]."
    ]
    missing: Annotated[list[str], "Tags of the profile that the meter does not list."]
    complete: Annotated[
        bool, "False when something was left out for its size, its number or for lack of time."
    ]


@dataclass(slots=True)
class Wanted:
    """An attribute and its outcome."""

    right: object_list.AttributeRight
    descriptor: AttributeDescriptor
    status: AttributeStatus = AttributeStatus.NOT_READ
    value: Data | None = None
    reason: str | None = None

    def describe(self) -> AttributeValue:
        """As the result shows it."""
        return {
            "attribute": self.right.attribute_id,
            "status": self.status,
            "value": self.value,
            "reason": self.reason,
        }


@register
class RetrieveConfigurationObjects(MeterOperation[NoParameters, RetrieveConfigurationObjectsResult]):
    """Read every readable attribute of every object that the meter lists.

    Each attribute has its value with its DLMS type, or the access result with which the meter refused it.
    The rows of buffers (profiles and logs) are left out: messages of their own read them. So are secrets. The
    object list itself is what GetAssociationLnObjects shows.

    Attributes are read in lists, as long as `with_list_max` of the device and the meter's receive size allow;
    a list that fails as a whole is read in parts. Meters that take no lists need a round trip per attribute:
    what cannot be read in the time of a session is NOT_READ.
    """

    message = "RetrieveConfigurationObjects"
    service = Service.ADHOC
    granted_to = frozenset({DeviceFunctionGroup.OWNER, DeviceFunctionGroup.AD_HOC})
    needs = (ASSOCIATION,)

    def perform(self, meter: VisitedMeter, parameters: NoParameters) -> RetrieveConfigurationObjectsResult:
        found = read_object_list(meter)
        own_list = meter.find_attribute(ASSOCIATION, "object_list")
        # The logical name has the same number in every class, also in unknown ones.
        logical_name_id = meter.find_attribute(ASSOCIATION, "logical_name").attribute_id
        objects = [
            (listed, list(_list_wanted(listed, own_list, logical_name_id))) for listed in found.objects
        ]
        complete = _read(meter, [item for _, wanted in objects for item in wanted if item.reason is None])
        described: list[ConfigurationObject] = [
            {**describe_object(meter.profile, listed), "attributes": [item.describe() for item in wanted]}
            for listed, wanted in objects
        ]
        present = {item["tag"] for item in described}
        return {
            "objects": described,
            "unavailable": describe_unreadable(found.unreadable),
            "missing": [
                known.tag for known in meter.profile.list_objects(meter.polyphase) if known.tag not in present
            ],
            "complete": complete and found.is_complete,
        }


def _list_wanted(
    listed: object_list.ListedObject, own_list: AttributeDescriptor, logical_name_id: int
) -> Iterator[Wanted]:
    """The attributes of an object; those with a reason, or a status already, are not asked for."""
    buffer_id = _find_buffer(listed.class_id)
    for right in listed.attributes:
        descriptor = AttributeDescriptor(listed.class_id, listed.logical_name, right.attribute_id)
        wanted = Wanted(right, descriptor)
        if right.attribute_id == logical_name_id and right.is_readable:
            # Known from the list.
            wanted.status = AttributeStatus.READ
            wanted.value = Data(DataType.OCTET_STRING, listed.logical_name)
        elif not right.is_readable:
            wanted.reason = NotRead.NOT_READABLE
        elif is_secret(descriptor):
            wanted.reason = NotRead.SECRET
        elif descriptor == own_list:
            wanted.reason = NotRead.OBJECT_LIST
        elif right.attribute_id == buffer_id:
            wanted.reason = NotRead.BUFFER
        yield wanted


def _find_buffer(class_id: int) -> int | None:
    """The number of the attribute that holds the rows of a profile; None for all other classes."""
    interface_class = catalogue.get_interface_classes().find_latest(class_id)
    if interface_class is None or interface_class.name != "profile_generic":
        return None
    return interface_class.find_attribute_id("buffer")


def _read(meter: VisitedMeter, items: list[Wanted]) -> bool:
    """Read the attributes without a value; returns whether nothing was left out."""
    items = [item for item in items if item.status is AttributeStatus.NOT_READ]
    allowed = items[:MOST_ATTRIBUTES]
    for item in items[MOST_ATTRIBUTES:]:
        item.reason = NotRead.TOO_MANY
    complete = len(allowed) == len(items)
    association = meter.association
    ends_with = association.seconds_left * (1 - PART_OF_TIME)
    values = association.get_each([item.descriptor for item in allowed])
    room = LARGEST_RESULT
    for position, item in enumerate(allowed):
        if room <= 0 or association.seconds_left < ends_with:
            for left in allowed[position:]:
                left.reason = NotRead.TOO_LARGE if room <= 0 else NotRead.OUT_OF_TIME
            return False
        value = next(values)
        if isinstance(value, AccessResult):
            item.status, item.reason = AttributeStatus.REFUSED, value.name
        elif not isinstance(value, Data):
            item.status, item.reason = AttributeStatus.UNDECODABLE, value.message
        elif (size := estimate_json_size(value, LARGEST_VALUE)) > LARGEST_VALUE:
            item.reason = NotRead.TOO_LARGE
            complete = False
        else:
            item.status, item.value = AttributeStatus.READ, value
            room -= size
    return complete
