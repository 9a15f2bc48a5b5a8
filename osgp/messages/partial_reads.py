"""Reading attributes of which any may be refused or make no sense: the others are kept, and what is wrong is
told by field.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any, NamedTuple, TypedDict

from osgp.catalogue.cosem import AttributeDescriptor
from osgp.faults import Fault
from osgp.messages.visited_meter import VisitedMeter
from osgp.protocol_dlms import Data


class FieldProblem(TypedDict):
    """Something that the meter does not tell."""

    field: str
    reason: Annotated[str, "How the meter refused, or why what it said makes no sense."]


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


def read_fields(meter: VisitedMeter, asked: Sequence[AskedField]) -> list[ReadField]:
    """The fields in order, in as few round trips as the meter allows. Raises what ends the association."""
    values = meter.get_each([field.attribute for field in asked])
    return [_understand(field, value) for field, value in zip(asked, values, strict=True)]


def list_problems(fields: Iterable[ReadField]) -> list[FieldProblem]:
    """What is wrong, by field."""
    return [{"field": field.name, "reason": field.fault.message} for field in fields if field.fault]


def require_any(fields: Sequence[ReadField]) -> None:
    """Raises the first fault when no field at all could be read."""
    faults = [field.fault for field in fields if field.fault]
    if faults and len(faults) == len(fields):
        raise faults[0]


def _understand(field: AskedField, value: Data | Fault) -> ReadField:
    if isinstance(value, Fault):
        return ReadField(field.name, None, value)
    try:
        return ReadField(field.name, field.understand(value), None)
    except Fault as fault:
        return ReadField(field.name, None, fault)
