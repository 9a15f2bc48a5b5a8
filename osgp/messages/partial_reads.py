"""Partial reads: a meter may refuse some attributes, or their values may be invalid; the others count."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from osgp.catalogue.cosem import AttributeDescriptor
from osgp.faults import Fault
from osgp.messages.unavailable import Unavailable, list_unavailable
from osgp.messages.visited_meter import VisitedMeter
from osgp.protocol_dlms import Data

_NONE: Mapping[str, Fault] = {}


class Partly(NamedTuple):
    """A value some members of which make no sense: they are None, and their faults are by member."""

    value: Any
    faults: Mapping[str, Fault]


class AskedField(NamedTuple):
    """A field of a result: its attribute, and a function that interprets the value or raises Fault.

    The function may return a :class:`Partly`.
    """

    name: str
    attribute: AttributeDescriptor
    understand: Callable[[Data], Any]


class ReadField(NamedTuple):
    """The value of a field (which may be None), or the fault instead of one."""

    name: str
    value: Any
    fault: Fault | None
    members: Mapping[str, Fault] = _NONE
    """The faults of members of the value."""


def read_fields(meter: VisitedMeter, asked: Sequence[AskedField]) -> list[ReadField]:
    """Read the fields in as few round trips as possible. Raises errors that end the association."""
    values = meter.get_each([field.attribute for field in asked])
    return [_understand(field, value) for field, value in zip(asked, values, strict=True)]


def list_unavailable_fields(fields: Iterable[ReadField]) -> list[Unavailable]:
    """List the faults by field, or by field and member (``cell_info.signal_quality``)."""
    faults: dict[str, Fault] = {}
    for field in fields:
        if field.fault:
            faults[field.name] = field.fault
        faults |= {f"{field.name}.{member}": fault for member, fault in field.members.items()}
    return list_unavailable(faults)


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
        understood = field.understand(value)
    except Fault as fault:
        return ReadField(field.name, None, fault)
    if isinstance(understood, Partly):
        return ReadField(field.name, understood.value, None, understood.faults)
    return ReadField(field.name, understood, None)
