"""References to attributes in lists of objects: what a push sends, and what a buffer captures.

Both have structures of class id, logical name, attribute index and data index (Blue Book, push_object_list of
class 40 version 0, capture_objects of class 7).
"""

from collections.abc import Iterable
from typing import NamedTuple

from osgp.catalogue.cosem import AttributeDescriptor
from osgp.cosem.errors import make_illegal_response
from osgp.protocol_dlms import Data, DataType

MOST_DEFINITIONS = 256
"""In a list of a meter; real meters take some 60."""


class ObjectDefinition(NamedTuple):
    """An attribute, or one of its elements: ``data_index`` 0 is all of it, n the n-th element."""

    attribute: AttributeDescriptor
    data_index: int


def encode(definitions: Iterable[ObjectDefinition]) -> Data:
    """Return the array of structures, in the same order."""
    return Data(DataType.ARRAY, tuple(_encode_one(*definition) for definition in definitions))


def _encode_one(attribute: AttributeDescriptor, data_index: int) -> Data:
    return Data(
        DataType.STRUCTURE,
        (
            Data(DataType.LONG_UNSIGNED, attribute.class_id),
            Data(DataType.OCTET_STRING, attribute.logical_name),
            Data(DataType.INTEGER, attribute.attribute_id),
            Data(DataType.LONG_UNSIGNED, data_index),
        ),
    )


def parse(data: Data, name: str) -> list[ObjectDefinition]:
    """Return the definitions in a value; ``name`` is for the error text. Raises Fault for anything else."""
    wrong = make_illegal_response(f"The {name} are no list of objects.")
    if data.type is not DataType.ARRAY or not isinstance(data.value, tuple):
        raise wrong
    if len(data.value) > MOST_DEFINITIONS:
        raise wrong
    definitions = []
    for element in data.value:
        match element.native:
            case (int(class_id), bytes(logical_name), int(attribute_id), int(data_index)) if (
                len(logical_name) == 6
                and 0 <= class_id <= 0xFFFF
                and -0x80 <= attribute_id <= 0x7F
                and 0 <= data_index <= 0xFFFF
            ):
                attribute = AttributeDescriptor(class_id, logical_name, attribute_id)
                definitions.append(ObjectDefinition(attribute, data_index))
            case _:
                raise wrong
    return definitions
