"""Reading many values of which some may be missing, and telling which and why."""

from collections.abc import Mapping, Sequence
from typing import Any

from osgp.catalogue.cosem import AttributeDescriptor
from osgp.faults import Fault
from osgp.messages.serializers import CharField, StrictSerializer
from osgp.messages.visited_meter import VisitedMeter
from osgp.protocol_dlms import AccessResult, Data
from osgp.protocol_dlms.errors import AccessError


class UnavailableSerializer(StrictSerializer):
    """Something that could not be read although meters of the profile have it."""

    name = CharField(help_text="Tag of the object.")
    reason = CharField()


def unavailable_field() -> UnavailableSerializer:
    """``unavailable`` of a result."""
    return UnavailableSerializer(many=True, help_text="What this meter lacks, or has no sensible value of.")


def told_unavailable(faults: Mapping[str, Fault]) -> list[dict[str, Any]]:
    """Faults by tag as that field shows them."""
    return [{"name": tag, "reason": fault.message} for tag, fault in faults.items()]


def read_each(meter: VisitedMeter, attributes: Sequence[AttributeDescriptor]) -> list[Data | Fault]:
    """The value of each attribute, or why there is none."""
    return [
        AccessError(value, attribute) if isinstance(value, AccessResult) else value
        for attribute, value in zip(attributes, meter.association.get_each(attributes), strict=True)
    ]
