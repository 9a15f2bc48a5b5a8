"""The objects that a meter's association lists, as messages read and show them."""

from collections.abc import Iterable
from typing import Annotated, TypedDict

from osgp.catalogue import Profile
from osgp.cosem import object_list
from osgp.messages.listed_objects import read_listed
from osgp.messages.serializers import ObisCodeField
from osgp.messages.unavailable import Unavailable
from osgp.messages.visited_meter import VisitedMeter
from osgp.system_notes import profile_mismatch


class ListedObject(TypedDict):
    """An object in a result."""

    class_id: int
    version: Annotated[int, "Of the class."]
    obis_code: Annotated[bytes, ObisCodeField()]
    tag: Annotated[
        str | None,
        "Name of the object in the meter's profile; null if the profile has none of that class and code.",
    ]
    channel: Annotated[int | None, "M-Bus channel of an object that exists per channel."]


def read_object_list(meter: VisitedMeter) -> object_list.ObjectList:
    """Read the objects that the meter shows to this client. Raises Fault, also if the answer is no list.

    Whether another profile would fit them better is observed, whichever message asks.
    """
    found = read_listed(meter)
    observation = profile_mismatch.judge(meter.profile, found, polyphase=meter.polyphase)
    if observation is not None:
        meter.observations.append(observation)
    return found


def describe_object(profile: Profile, listed: object_list.ListedObject) -> ListedObject:
    """Return an object as results show it, with its tag and channel in the profile."""
    known = profile.find_by_logical_name(listed.logical_name)
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


def describe_unreadable(unreadable: Iterable[object_list.UnreadableEntry]) -> list[Unavailable]:
    """Return the invalid entries as results show them: by their place in the meter's list, from 0."""
    return [{"name": f"object_list[{item.index}]", "reason": item.reason} for item in unreadable]
