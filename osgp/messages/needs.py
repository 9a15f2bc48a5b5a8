"""What a message needs of a meter's profile: COSEM objects by tag, with alternatives where it has them.

A message that no profile can do is refused before anything is stored (fault 416); which messages are offered
for a device, and what the docs say of each profile, follows from the same words.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from osgp.catalogue import Profile


class ProfileNeed(Protocol):
    """Something that meters of a profile must have; its text says what."""

    def is_met_by(self, profile: Profile) -> bool: ...


@dataclass(frozen=True)
class AnyOf:
    """Objects of which one is enough; ``tags`` in order of preference."""

    tags: tuple[str, ...]

    def is_met_by(self, profile: Profile) -> bool:
        """Whether the profile has one of them."""
        return any(tag in profile for tag in self.tags)

    def __str__(self) -> str:
        return " or ".join(self.tags)


Need = str | ProfileNeed
"""The tag of an object, or more than that."""
Needs = Sequence[Need]
"""All of them are needed."""


def any_of(*tags: str) -> AnyOf:
    """One of these objects is needed."""
    return AnyOf(tags)


def list_missing(needs: Needs, profile: Profile) -> list[Need]:
    """What a profile lacks of some needs, in their order."""
    return [need for need in needs if not _is_met(need, profile)]


def list_tags(needs: Needs) -> Iterator[str]:
    """Every tag that is named."""
    for need in needs:
        if isinstance(need, str):
            yield need
        elif isinstance(need, AnyOf):
            yield from need.tags


def _is_met(need: Need, profile: Profile) -> bool:
    return need in profile if isinstance(need, str) else need.is_met_by(profile)
