"""Partial reads: a meter may refuse some attributes, or their values may be invalid; the others count."""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Annotated, Any, NamedTuple, TypedDict

from osgp.catalogue.cosem import AttributeDescriptor
from osgp.faults import Fault
from osgp.messages.visited_meter import VisitedMeter
from osgp.protocol_dlms import Data


class FieldProblem(TypedDict):
    """A field that could not be read."""

    field: str
    reason: Annotated[str, "How the meter refused, or why its value is invalid."]


class AskedField(NamedTuple):
    """A field of a result: its attribute, and a function that interprets the value or raises Fault."""

    name: str
    attribute: AttributeDescriptor
    understand: Callable[[Data], Any]


class ReadField(NamedTuple):
    """The value of a field (which may be None), or the fault instead of one."""

    name: str
    value: Any
    fault: Fault | None


def read_fields(meter: VisitedMeter, asked: Sequence[AskedField]) -> list[ReadField]:
    """Read the fields in as few round trips as possible. Raises errors that end the association."""
    values = meter.get_each([field.attribute for field in asked])
    return [_understand(field, value) for field, value in zip(asked, values, strict=True)]


def list_problems(fields: Iterable[ReadField]) -> list[FieldProblem]:
    """List the faults by field."""
    return [{"field": field.name, "reason": field.fault.message} for field in fields if field.fault]


def require_any(fields: Sequence[ReadField]) -> None:
    """Raise a fault if no field could be read: the first that may pass, else the first."""
    faults = [field.fault for field in fields if field.fault]
    if faults and len(faults) == len(fields):
        raise choose_fault(faults)


def choose_fault(faults: Collection[Fault]) -> Fault:
    """Return the fault of a read of which nothing came: the first that may pass, else the first.

    Another attempt then brings at least the value that was missing for now.
    """
    return next((fault for fault in faults if fault.retryable), next(iter(faults)))


def _understand(field: AskedField, value: Data | Fault) -> ReadField:
    if isinstance(value, Fault):
        return ReadField(field.name, None, value)
    try:
        return ReadField(field.name, field.understand(value), None)
    except Fault as fault:
        return ReadField(field.name, None, fault)
