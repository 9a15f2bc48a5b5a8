"""What messages with lists of objects share: the shape of an entry, and which entries are refused."""

from collections.abc import Sequence
from typing import Annotated, TypedDict

from rest_framework.exceptions import ValidationError

from osgp.catalogue import is_secret, obis
from osgp.catalogue.cosem import AttributeDescriptor
from osgp.cosem import object_definitions
from osgp.cosem.object_definitions import ObjectDefinition
from osgp.messages.serializers import IntegerField, ObisCodeField
from osgp.protocol_dlms import Data

MOST_OBJECTS = 64
"""Entries of a list that is written; some 60 different values can be chosen for the longest."""


class DefinedObjectParameters(TypedDict):
    """An attribute of an object."""

    class_id: Annotated[int, IntegerField(min_value=0, max_value=0xFFFF)]
    obis_code: Annotated[str, ObisCodeField()]
    attribute: Annotated[int, IntegerField(min_value=0, max_value=127), "0: all attributes."]
    data_index: Annotated[
        int,
        IntegerField(min_value=0, max_value=0xFFFF, default=0),
        "0: the whole attribute; n: the n-th element of a structure or array.",
    ]


class DefinedObject(TypedDict):
    """An attribute of an object, as the meter says."""

    class_id: int
    obis_code: Annotated[str, ObisCodeField()]
    attribute: int
    data_index: int


def make_definition(parameters: DefinedObjectParameters) -> ObjectDefinition:
    """Return the definition of a validated entry."""
    logical_name = obis.parse(parameters["obis_code"])
    attribute = AttributeDescriptor(parameters["class_id"], logical_name, parameters["attribute"])
    return ObjectDefinition(attribute, parameters["data_index"])


def describe(data: Data, name: str) -> list[DefinedObject]:
    """Return the list in a value of a meter. Raises Fault for anything else."""
    return [
        {
            "class_id": attribute.class_id,
            "obis_code": obis.to_text(attribute.logical_name),
            "attribute": attribute.attribute_id,
            "data_index": data_index,
        }
        for attribute, data_index in object_definitions.parse(data, name)
    ]


def check_definitions(name: str, entries: Sequence[DefinedObjectParameters], most: int) -> None:
    """Refuse empty and too long lists, secrets and repeated entries.

    Meters send what they push, and show what they capture, to others. Raises ValidationError for the
    parameter ``name``.
    """
    if not entries:
        raise ValidationError({name: ["Must have at least one object."]})
    if len(entries) > most:
        raise ValidationError({name: [f"Must have at most {most} objects."]})
    definitions = [make_definition(entry) for entry in entries]
    errors: dict[str, dict[str, list[str]]] = {}
    for index, definition in enumerate(definitions):
        if is_secret(definition.attribute):
            errors[str(index)] = {"attribute": ["Holds a secret."]}
        elif definition in definitions[:index]:
            errors[str(index)] = {"attribute": ["Is in the list already."]}
        elif definition.attribute.attribute_id == 0 and definition.data_index:
            errors[str(index)] = {"data_index": ["Goes with one attribute only."]}
    if errors:
        raise ValidationError({name: errors})
