"""Writing attributes so that callers learn what a meter had before, and has now.

A meter may accept a value and keep another one: what was written is read back, and must be what was sent.
That costs two more round trips than reading alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
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


class Change(NamedTuple):
    """What a meter had ``before`` and has ``after`` a write.

    ``before`` is None if it could not be read or made no sense, ``after`` if the meter does not let it be
    read.
    """

    before: Any
    after: Any


def change(meter: VisitedMeter, settings: Sequence[Setting]) -> list[Change]:
    """Write settings, in order, and return the change of each.

    Raises Fault if the meter refuses one, which tells those that were written; and if it accepts one and has
    another value afterwards.
    """
    before = [
        _understand(setting, value) for setting, value in zip(settings, _read(meter, settings), strict=True)
    ]
    return [Change(former, after) for former, after in zip(before, put(meter, settings), strict=True)]


def put(meter: VisitedMeter, settings: Sequence[Setting]) -> list[Any]:
    """Write settings, in order, and return what the meter has of each afterwards; None if it does not say.

    For values that were made from what the meter has, which is known then. Without settings nothing is sent.
    Raises Fault as :func:`change` does.
    """
    write(meter, settings)
    return read_back(meter, settings)


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
    )


def read_back(meter: VisitedMeter, settings: Sequence[Setting]) -> list[Any]:
    """Return what the meter has of settings that it accepted; None for one that it does not let be read.

    Raises Fault if it has another value than was written.
    """
    return [_confirm(setting, value) for setting, value in zip(settings, _read(meter, settings), strict=True)]


def _read(meter: VisitedMeter, settings: Sequence[Setting]) -> list[Data | Fault]:
    return meter.get_each([setting.attribute for setting in settings])


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
