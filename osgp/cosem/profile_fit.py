"""How well the objects that a meter lists fit a profile, and whether another profile fits better."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from osgp.catalogue import Profile
from osgp.cosem.object_list import ListedObject

Place = tuple[int, bytes]
"""Class id and logical name of an object."""


@dataclass(frozen=True)
class BetterProfile:
    """A profile that fits better than the one that a meter was thought to have.

    ``explained``: the listed objects that only it has, in the meter's order; ``unexplained``: how many
    neither has.
    """

    profile: Profile
    explained: tuple[Place, ...]
    unexplained: int


def find_better_profile(
    profile: Profile, listed: Iterable[ListedObject], candidates: Collection[Profile], *, polyphase: bool
) -> BetterProfile | None:
    """Return the candidate of the same protocol that fits a meter best; None if none is better.

    A candidate is better than ``profile`` if it

    - has every listed object that ``profile`` has, and at least one more of them, and
    - is nearer to the meter: fewer objects are in the meter or in the profile only.

    The nearest wins; of equally near ones that which leaves fewer listed objects unexplained, then the first
    of ``candidates``. So a meter with one object of a much larger profile is not taken for one of those, and
    objects that no profile has, such as the manufacturer's own, do not count.
    """
    places = tuple(dict.fromkeys((item.class_id, item.logical_name) for item in listed))
    surplus = _find_surplus(profile, places)
    if not surplus:
        return None
    best: BetterProfile | None = None
    nearest = (_count_differences(profile, places, polyphase), 0)
    for candidate in candidates:
        if candidate.protocol_name != profile.protocol_name:
            continue
        left = _find_surplus(candidate, places)
        if not left < surplus:
            continue
        distance = (_count_differences(candidate, places, polyphase), len(left))
        if distance[0] < nearest[0] or (best is not None and distance < nearest):
            explained = tuple(place for place in places if place in surplus - left)
            best, nearest = BetterProfile(candidate, explained, len(left)), distance
    return best


def _find_surplus(profile: Profile, places: Collection[Place]) -> frozenset[Place]:
    """The listed objects that the profile has not."""
    return frozenset(place for place in places if not _has(profile, place))


def _has(profile: Profile, place: Place) -> bool:
    class_id, logical_name = place
    known = profile.find_by_logical_name(logical_name)
    return known is not None and known[0].class_id == class_id


def _count_differences(profile: Profile, places: Collection[Place], polyphase: bool) -> int:
    """How many objects are in the meter or in the profile only; one per M-Bus channel counts once."""
    surplus, present = 0, set()
    for class_id, logical_name in places:
        known = profile.find_by_logical_name(logical_name)
        if known is None or known[0].class_id != class_id:
            surplus += 1
        else:
            present.add(known[0].tag)
    return surplus + sum(item.tag not in present for item in profile.list_objects(polyphase))
