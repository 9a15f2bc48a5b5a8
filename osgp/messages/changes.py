"""Writing attributes so that callers learn what a meter had before, and has now.

A meter may accept a value and keep another one: what was written is read back, and must be what was sent.
That costs two more round trips than reading alone.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

from osgp.catalogue.cosem import AttributeDescriptor
from osgp.faults import Component, Fault, FaultCode
from osgp.messages.visited_meter import VisitedMeter
from osgp.protocol_dlms import AccessResult, Data
from osgp.protocol_dlms.errors import AccessError

_LONGEST_VALUE = 200
"""Characters of a value in the text of a fault."""


@dataclass(frozen=True)
class Setting:
    """A value to write: ``name`` is what callers call it.

    ``understand`` makes of a value, this one or another, what results say of it; it raises Fault for data
    that cannot be one.
    """

    name: str
    attribute: AttributeDescriptor
    value: Data
    understand: Callable[[Data], Any]


@dataclass(frozen=True)
class Precondition:
    """What must hold before anything is written. It is looked at along with the former values.

    ``check`` gets the values of ``attributes`` as they arrive, a fault in place of each that could not be
    read, and raises Fault unless all is well. It should keep no values: they may be large.
    """

    attributes: Sequence[AttributeDescriptor]
    check: Callable[[Iterator[Data | Fault]], None]


NO_PRECONDITION = Precondition((), lambda values: None)


class Change(NamedTuple):
    """What a meter had ``before`` and has ``after`` a write.

    ``before`` is None if it could not be read or made no sense, ``after`` if the meter does not let it be
    read.
    """

    before: Any
    after: Any


def change(
    meter: VisitedMeter, settings: Sequence[Setting], precondition: Precondition = NO_PRECONDITION
) -> list[Change]:
    """Write settings, in order, and return the change of each.

    Raises Fault if the precondition does not hold: then nothing was written; if the meter refuses one, which
    tells those that were written; and if it accepts one and has another value afterwards.
    """
    values = meter.read_each([*(setting.attribute for setting in settings), *precondition.attributes])
    former = list(islice(values, len(settings)))
    precondition.check(values)
    before = [_understand(setting, value) for setting, value in zip(settings, former, strict=True)]
    return [Change(had, after) for had, after in zip(before, put(meter, settings), strict=True)]


def put(meter: VisitedMeter, settings: Sequence[Setting]) -> list[Any]:
    """Write settings, in order, and return what the meter has of each afterwards; None if it does not say.

    For values that were made from what the meter has, which is known then. Without settings nothing is sent.
    Raises Fault as :func:`change` does.
    """
    write(meter, settings)
    return read_back(meter, settings)


def change_by_name(
    meter: VisitedMeter, settings: Sequence[Setting], precondition: Precondition = NO_PRECONDITION
) -> dict[str, Change]:
    """As :func:`change`, by the names of the settings, which must differ."""
    changes = change(meter, settings, precondition)
    return {setting.name: changed for setting, changed in zip(settings, changes, strict=True)}


def write(meter: VisitedMeter, settings: Sequence[Setting]) -> None:
    """Write settings, in order. Raises Fault as :func:`change` does, but reads nothing."""
    results = meter.association.set_many([(setting.attribute, setting.value) for setting in settings])
    refused = {
        setting.name: AccessError(result, setting.attribute)
        for setting, result in zip(settings, results, strict=True)
        if result is not AccessResult.SUCCESS
    }
    if not refused:
        return
    faults = list(refused.values())
    if len(settings) == 1:
        raise faults[0]
    reasons = "; ".join(f"{name}: {fault.message}" for name, fault in refused.items())
    written = ", ".join(setting.name for setting in settings if setting.name not in refused)
    raise Fault(
        faults[0].code,
        f"Refused: {reasons}. Written: {written or 'nothing'}.",
        component=Component.PROTOCOL_DLMS,
        retryable=all(fault.retryable for fault in faults),
    )


def read_back(meter: VisitedMeter, settings: Sequence[Setting]) -> list[Any]:
    """Return what the meter has of settings that it accepted; None for one that it does not let be read.

    Raises Fault if it has another value than was written.
    """
    values = meter.get_each([setting.attribute for setting in settings])
    return [_confirm(setting, value) for setting, value in zip(settings, values, strict=True)]


def _understand(setting: Setting, value: Data | Fault) -> Any:
    """What the meter had; None if it does not say, or something that is no such setting."""
    if isinstance(value, Fault):
        return None
    try:
        return setting.understand(value)
    except Fault:
        return None


def _confirm(setting: Setting, value: Data | Fault) -> Any:
    """What the meter has after a write that it accepted. Raises Fault if that is something else."""
    if isinstance(value, AccessError):
        return None
    if isinstance(value, Fault):
        raise value
    told, written = setting.understand(value), setting.understand(setting.value)
    if told != written:
        raise Fault(
            FaultCode.ILLEGAL_RESPONSE,
            f"The meter accepted {setting.name}, but has {_tell(told, written)} instead of "
            f"{_tell(written, told)} afterwards.",
            component=Component.PROTOCOL_DLMS,
        )
    return told


def _tell(value: Any, other: Any) -> str:
    """A value in a text, shortened; of a list only what the other one does not have."""
    if isinstance(value, list) and isinstance(other, list):
        own = [element for element in value if element not in other]
        text = "; ".join(map(str, own or value)) or "nothing"
    else:
        text = "nothing" if value is None else str(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"
