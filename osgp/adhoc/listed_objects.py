"""The objects that a meter's association lists, as messages read and show them."""

from typing import Any

from osgp.catalogue import Profile
from osgp.cosem.object_list import ListedObject, ObjectList, Unreadable, parse_object_list
from osgp.messages.serializers import CharField, IntegerField, ObisCodeField, StrictSerializer
from osgp.messages.visited_meter import VisitedMeter

ASSOCIATION = "ASSOCIATION_LN"


class ListedObjectSerializer(StrictSerializer):
    """What is told about each object."""

    class_id = IntegerField()
    version = IntegerField(help_text="Of the class.")
    obis_code = ObisCodeField()
    tag = CharField(
        allow_null=True,
        help_text="What the meter's profile calls the object; null when it has none of that class and code.",
    )
    channel = IntegerField(allow_null=True, help_text="M-Bus channel of an object that exists per channel.")


class UnreadableSerializer(StrictSerializer):
    """Something in the meter's list that makes no sense."""

    index = IntegerField(help_text="Place of the object in the list, counted from 0.")
    reason = CharField()


def read_object_list(meter: VisitedMeter) -> ObjectList:
    """The objects that the meter shows to this client. Raises Fault, also when what it shows is no list."""
    association = meter.object(ASSOCIATION)
    data = meter.get(ASSOCIATION)
    return parse_object_list(data, association.logical_name(), association.class_version)


def describe(profile: Profile, listed: ListedObject) -> dict[str, Any]:
    """The values of ListedObjectSerializer."""
    known = profile.by_logical_name(listed.logical_name)
    if known is not None and known[0].class_id != listed.class_id:
        known = None
    tag, channel = (known[0].tag, known[1]) if known else (None, None)
    return {
        "class_id": listed.class_id,
        "version": listed.version,
        "obis_code": listed.logical_name,
        "tag": tag,
        "channel": channel,
    }


def describe_unreadable(unreadable: list[Unreadable]) -> list[dict[str, Any]]:
    """The values of UnreadableSerializer."""
    return [{"index": item.index, "reason": item.reason} for item in unreadable]
