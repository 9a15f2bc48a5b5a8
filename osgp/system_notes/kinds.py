"""The kinds of system notes. A new kind is an entry here, and whoever observes it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class NoteKind:
    """One kind of note; a device has at most one open note of each.

    ``judged_by`` names the columns of the device that an observation depends on. When one of them changes,
    an open note is resolved, and what was observed before the change is not stored any more. ``message`` is
    the one that operators may want to send then, if there is one.
    """

    name: str
    title: str
    judged_by: tuple[str, ...] = ()
    message: str = ""


PROFILE_MISMATCH = NoteKind(
    "PROFILE_MISMATCH",
    "Other meter profile",
    judged_by=("protocol_name", "protocol_version"),
    message="UpdateProtocol",
)
"""The meter has objects that its profile lacks and another profile has."""

KINDS = (PROFILE_MISMATCH,)


def find_kind(name: str) -> NoteKind:
    """Return the kind of a stored note; one without a title if this release does not know it."""
    return next((kind for kind in KINDS if kind.name == name), NoteKind(name, name))
