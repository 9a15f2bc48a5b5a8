"""Reading attributes of which any may be refused or make no sense: the others are kept, and what is wrong is
told by field.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from osgp.catalogue.cosem import AttributeDescriptor
from osgp.faults import Fault
from osgp.messages.serializers import CharField, StrictSerializer
from osgp.protocol_dlms import AccessResult, Data, Meter
from osgp.protocol_dlms.errors import AccessError


class FieldProblemSerializer(StrictSerializer):
    """Something that the meter does not tell."""

    field = CharField()
    reason = CharField(help_text="How the meter refused, or why what it said makes no sense.")


class AskedField(NamedTuple):
    """A field of a result: the attribute, and how to understand its value; raises Fault for nonsense."""

    name: str
    attribute: AttributeDescriptor
    understand: Callable[[Data], Any]


class ReadField(NamedTuple):
    """What came of it: a value (which may be None), or the fault that stands in its way."""

    name: str
    value: Any
    fault: Fault | None


def read_fields(association: Meter, asked: Sequence[AskedField]) -> list[ReadField]:
    """The fields in order, in as few round trips as the meter allows. Raises what ends the association."""
    values = association.get_each([field.attribute for field in asked])
    return [_read(field, value) for field, value in zip(asked, values, strict=True)]


def values_of(fields: Iterable[ReadField]) -> dict[str, Any]:
    """The values by name."""
    return {field.name: field.value for field in fields}


def problems_of(fields: Iterable[ReadField]) -> list[dict[str, str]]:
    """What is wrong, as FieldProblemSerializer shows it."""
    return [{"field": field.name, "reason": field.fault.message} for field in fields if field.fault]


def require_any(fields: Sequence[ReadField]) -> None:
    """Raises the first fault when no field at all could be read."""
    faults = [field.fault for field in fields if field.fault]
    if faults and len(faults) == len(fields):
        raise faults[0]


def _read(field: AskedField, value: Data | AccessResult | Fault) -> ReadField:
    if isinstance(value, Fault):
        return ReadField(field.name, None, value)
    if isinstance(value, AccessResult):
        return ReadField(field.name, None, AccessError(value, field.attribute))
    try:
        return ReadField(field.name, field.understand(value), None)
    except Fault as fault:
        return ReadField(field.name, None, fault)
