"""How large the replies to a request may be, by what is asked for."""

from collections.abc import Sequence

from osgp.catalogue.cosem import AttributeDescriptor
from osgp.protocol_dlms.budget import MAX_ELEMENTS
from osgp.protocol_dlms.consumption import Consumption
from osgp.protocol_dlms.errors import IllegalResponse, ValueTooLarge
from osgp.protocol_dlms.settings import Limits

MOST_LISTED = 50_000
"""Elements of a list of objects, with their access rights: a thousand objects, twice as many as are known."""
MOST_ELEMENTS = 16_384
"""Elements of a value that is neither a buffer nor a list of objects, or of a list of such values. The
largest are tables of days, each with its switching times, and scripts.
"""
MOST_SMALL_BLOCKS, SMALLEST_BLOCK = 64, 8
"""Blocks of a reply of which it is looked at how many octets they have on average, and the least that have an
end to be waited for. Meters that can send 64 octets at a time send some 40 in a block.
"""
_PROFILE_GENERIC, _ASSOCIATION_SN, _ASSOCIATION_LN = 7, 12, 15
_ALL, _SECOND = 0, 2
"""Attribute 0 stands for all attributes."""


def is_buffer(attribute: AttributeDescriptor) -> bool:
    """Whether it has the rows of a Profile generic (Blue Book 4.3.6): its buffer, or all attributes."""
    return attribute.class_id == _PROFILE_GENERIC and attribute.attribute_id in (_ALL, _SECOND)


def is_object_list(attribute: AttributeDescriptor) -> bool:
    """Whether it is the list of the objects of an association (Blue Book 4.4.3 and 4.4.4)."""
    return attribute.class_id in (_ASSOCIATION_SN, _ASSOCIATION_LN) and attribute.attribute_id == _SECOND


def has_object_list(attribute: AttributeDescriptor) -> bool:
    """Whether it has the objects of an association, perhaps as one of all of its attributes."""
    is_association = attribute.class_id in (_ASSOCIATION_SN, _ASSOCIATION_LN)
    return is_association and attribute.attribute_id in (_ALL, _SECOND)


def find_reply_size(attributes: Sequence[AttributeDescriptor], limits: Limits) -> int:
    """Octets that a reply with these attributes may have."""
    if len(attributes) == 1 and is_buffer(attributes[0]):
        return limits.buffer_size
    return limits.object_list_size if _has_large(attributes) else limits.value_size


def find_most_elements(attributes: Sequence[AttributeDescriptor]) -> int:
    """Elements that a reply with these attributes may become, with their types."""
    if any(map(is_buffer, attributes)):
        return MAX_ELEMENTS
    return MOST_LISTED if any(map(has_object_list, attributes)) else MOST_ELEMENTS


def check_blocks(consumption: Consumption, octets: int, number: int, most: int) -> None:
    """Raise ValueTooLarge if the blocks so far have more octets than ``most``; IllegalResponse, which ends
    the association, if they are so many small ones that they can only mean to go on for ever.
    """
    if octets > most:
        consumption.note_waste(octets)
        raise ValueTooLarge(f"a reply of more than {most} octets")
    # The last block may be smaller.
    if number >= MOST_SMALL_BLOCKS and octets < SMALLEST_BLOCK * (number - 1):
        raise IllegalResponse(f"{number} blocks with {octets} octets in all")


def _has_large(attributes: Sequence[AttributeDescriptor]) -> bool:
    return any(is_buffer(each) or has_object_list(each) for each in attributes)
