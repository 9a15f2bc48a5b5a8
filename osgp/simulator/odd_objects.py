"""Objects that meters with certain quirks do not answer for as they should."""

from typing import TypeVar

from osgp.catalogue.cosem import AttributeDescriptor

from .codec.responses import GET_RESPONSE
from .meter.meter import Meter
from .quirks import Quirk

BADLY_SENT = "DEVICE_ID_1"
"""The object whose value comes in a malformed block: an identifier, which few ask for."""
REFUSED_REGISTER = "ACTIVE_ENERGY_EXPORT_RATE_1"
_LISTS_OF = 4

Outcome = TypeVar("Outcome")


def limit_lists(meter: Meter) -> int:
    """How many attributes or methods one request may name."""
    most = meter.settings.with_list_max
    return min(most, _LISTS_OF) if Quirk.LISTS_OF_FOUR in meter.quirks else most


def shorten_list(meter: Meter, outcomes: list[Outcome]) -> list[Outcome]:
    """The outcomes for a list, as the meter sends them."""
    return outcomes[:-1] if Quirk.LISTS_MALFORMED in meter.quirks else outcomes


def is_refused(meter: Meter, descriptor: AttributeDescriptor) -> bool:
    """Whether the meter says that it has no such object, which its profile lists."""
    return Quirk.REGISTER_REFUSED in meter.quirks and _is_of(meter, REFUSED_REGISTER, descriptor)


def is_badly_sent(meter: Meter, descriptor: AttributeDescriptor) -> bool:
    """Whether the meter answers a request for the attribute with :func:`make_bad_block`."""
    if Quirk.BAD_BLOCK not in meter.quirks or not _is_of(meter, BADLY_SENT, descriptor):
        return False
    entry = meter.type.objects[descriptor.logical_name]
    return descriptor == entry.descriptors.get("value")


def make_bad_block(invoke_id: int) -> bytes:
    """A first block that is not the last, whose length is of 68 octets and cut short."""
    return bytes((GET_RESPONSE, 2, invoke_id, 0)) + (1).to_bytes(4, "big") + b"\x00\xc4"


def _is_of(meter: Meter, tag: str, descriptor: AttributeDescriptor) -> bool:
    entry = meter.type.objects.get(descriptor.logical_name)
    return entry is not None and entry.tag == tag
