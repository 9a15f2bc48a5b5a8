"""The note that a meter has the objects of another profile than it was registered with."""

from osgp import catalogue
from osgp.catalogue import Profile, obis
from osgp.cosem.object_list import ObjectList
from osgp.cosem.profile_fit import BetterProfile, find_better_profile
from osgp.system_notes.kinds import PROFILE_MISMATCH
from osgp.system_notes.observations import Noticed, Observation

MOST_NAMED = 50
"""Objects that a note names."""


def judge(profile: Profile, found: ObjectList, *, polyphase: bool) -> Observation | None:
    """Compare the objects that a meter lists with its profile.

    None if nothing can be said: a list that was not read as a whole may lack what would tell.
    """
    better = find_better_profile(profile, found.objects, catalogue.list_profiles(), polyphase=polyphase)
    if better is None and (found.unreadable or not found.is_complete):
        return None
    return Observation(
        PROFILE_MISMATCH,
        _describe(profile, better) if better is not None else None,
        judged_by={
            "protocol_name": profile.protocol_name,
            "protocol_version": profile.protocol_version,
        },
    )


def _describe(profile: Profile, better: BetterProfile) -> Noticed:
    count = len(better.explained)
    objects = "1 object" if count == 1 else f"{count} objects"
    own, other = _name(profile), _name(better.profile)
    return Noticed(
        text=f"The meter lists {objects} that {own} does not have and {other} has.",
        what_to_do=f"UpdateProtocol to {other}, if the meter is one.",
        details={
            "profile": profile.key,
            "protocol_name": better.profile.protocol_name,
            "protocol_version": better.profile.protocol_version,
            "objects": [_find_tag(better.profile, name) for _, name in better.explained[:MOST_NAMED]],
            "object_count": count,
            "unknown_object_count": better.unexplained,
        },
    )


def _name(profile: Profile) -> str:
    return f"{profile.protocol_name} {profile.protocol_version}"


def _find_tag(profile: Profile, logical_name: bytes) -> str:
    """The tag of an object of the profile, with its channel if it has one."""
    known = profile.find_by_logical_name(logical_name)
    if known is None:
        return obis.to_text(logical_name)
    return known[0].tag if known[1] is None else f"{known[0].tag} {known[1]}"
