"""The objects that a meter's association lists, as messages read and show them."""

from collections.abc import Iterable
from typing import Annotated, TypedDict

from osgp.catalogue import Profile
from osgp.cosem import object_list
from osgp.messages.serializers import ObisCodeField
from osgp.messages.visited_meter import VisitedMeter

ASSOCIATION = "ASSOCIATION_LN"


class ListedObject(TypedDict):
    """What a result says about each object."""

    class_id: int
    version: Annotated[int, "Of the class."]
    obis_code: Annotated[bytes, ObisCodeField()]
    tag: Annotated[
        str | None,
        "What the meter's profile calls the object; null when it has none of that class and code.",
    ]
    channel: Annotated[int | None, "M-Bus channel of an object that exists per channel."]


class Unreadable(TypedDict):
    """Something in the meter's list that makes no sense."""

    index: Annotated[int, "Place of the object in the list, counted from 0."]
    reason: str


def read_object_list(meter: VisitedMeter) -> object_list.ObjectList:
    """The objects that the meter shows to this client. Raises Fault, also when what it shows is no list."""
    association = meter.find_object(ASSOCIATION)
    data = meter.get(ASSOCIATION, "object_list")
    return object_list.parse_object_list(data, association.logical_name(), association.class_version)


def describe(profile: Profile, listed: object_list.ListedObject) -> ListedObject:
    """An object as results show it, with what the profile knows of it."""
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


def describe_unreadable(unreadable: Iterable[object_list.Unreadable]) -> list[Unreadable]:
    """What makes no sense, as results show it."""
    return [{"index": item.index, "reason": item.reason} for item in unreadable]
