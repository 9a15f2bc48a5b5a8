"""What a message needs of a meter's profile: COSEM objects by tag, with alternatives where it has them.

A message that no profile can do is refused before anything is stored (fault 416); which messages are offered
for a device, and what the docs say of each profile, follows from the same words.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from osgp.catalogue import Profile


@dataclass(frozen=True)
class AnyOf:
    """Objects of which one is enough; ``tags`` in order of preference."""

    tags: tuple[str, ...]

    def __str__(self) -> str:
        return " or ".join(self.tags)


Need = str | AnyOf
"""The tag of an object, or alternatives."""
Needs = Sequence[Need]
"""All of them are needed."""


def any_of(*tags: str) -> AnyOf:
    """One of these objects is needed."""
    return AnyOf(tags)


def list_missing(needs: Needs, profile: Profile) -> list[Need]:
    """What a profile lacks of some needs, in their order."""
    return [need for need in needs if not any(tag in profile for tag in _tags(need))]


def list_tags(needs: Needs) -> Iterator[str]:
    """Every tag that is named."""
    for need in needs:
        yield from _tags(need)


def _tags(need: Need) -> tuple[str, ...]:
    return (need,) if isinstance(need, str) else need.tags
