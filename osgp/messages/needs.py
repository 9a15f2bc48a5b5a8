"""The needs of a message: COSEM objects, by tag, that the profile of a meter must have.

A message whose needs a profile does not meet is refused before anything is stored (fault 416). The messages
that pages offer for a device, and the documentation of each profile, follow from the needs as well.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from osgp.catalogue import MbusKeyWrapping, Profile


class ProfileNeed(Protocol):
    """Something that a profile must have; its text says what."""

    def is_met_by(self, profile: Profile) -> bool: ...


@dataclass(frozen=True)
class AnyOf:
    """Alternative objects, one of which is enough; ``tags`` in order of preference."""

    tags: tuple[str, ...]

    def is_met_by(self, profile: Profile) -> bool:
        """Return whether the profile has one of the objects."""
        return any(tag in profile for tag in self.tags)

    def __str__(self) -> str:
        return " or ".join(self.tags)


@dataclass(frozen=True)
class NamedFlag:
    """A bit called ``name`` in the value of one of these objects, or of several."""

    name: str
    tags: tuple[str, ...]

    def is_met_by(self, profile: Profile) -> bool:
        """Return whether the profile knows the bit."""
        return any(
            (flags := profile[tag].flags) is not None and self.name in flags.names.values()
            for tag in self.tags
            if tag in profile
        )

    def __str__(self) -> str:
        return f"{self.name} in {' or '.join(self.tags)}"


@dataclass(frozen=True)
class ListedAttribute:
    """An attribute, by name, that the profile lists for an object."""

    tag: str
    name: str

    def is_met_by(self, profile: Profile) -> bool:
        """Return whether the profile lists it."""
        return self.tag in profile and self.name in profile[self.tag]

    def __str__(self) -> str:
        return f"{self.name} of {self.tag}"


@dataclass(frozen=True)
class KeyWrapping:
    """One of these forms in which meters take keys for M-Bus devices."""

    forms: tuple[MbusKeyWrapping, ...]

    def is_met_by(self, profile: Profile) -> bool:
        """Return whether the meters take keys in one of them."""
        return profile.mbus_key_wrapping in self.forms

    def __str__(self) -> str:
        return f"keys for M-Bus devices in the form {' or '.join(self.forms)}"


Need = str | ProfileNeed
"""The tag of an object, or a more complex need."""
Needs = Sequence[Need]
"""A profile must meet all of them."""


def any_of(*tags: str) -> AnyOf:
    """Return the need of one of these objects."""
    return AnyOf(tags)


def named_flag(name: str, *tags: str) -> NamedFlag:
    """Return the need of a bit of this name in the value of one of these objects."""
    return NamedFlag(name, tags)


def listed_attribute(tag: str, name: str) -> ListedAttribute:
    """Return the need of an attribute of an object."""
    return ListedAttribute(tag, name)


def key_wrapping(*forms: MbusKeyWrapping) -> KeyWrapping:
    """Return the need of meters that take keys for M-Bus devices in one of these forms."""
    return KeyWrapping(forms)


def list_missing(needs: Needs, profile: Profile) -> list[Need]:
    """List the needs that a profile does not meet, in their order."""
    return [need for need in needs if not _is_met(need, profile)]


def list_tags(needs: Needs) -> Iterator[str]:
    """List every tag in some needs."""
    for need in needs:
        if isinstance(need, str):
            yield need
        elif isinstance(need, AnyOf):
            yield from need.tags


def _is_met(need: Need, profile: Profile) -> bool:
    return need in profile if isinstance(need, str) else need.is_met_by(profile)
