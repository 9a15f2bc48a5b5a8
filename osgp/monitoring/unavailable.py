"""Objects that a meter of their profile lacks or has no sensible value of, as results list them."""

from collections.abc import Mapping
from typing import Annotated, TypedDict

from osgp.faults import Fault


class Unavailable(TypedDict):
    """Something that could not be read although meters of the profile have it."""

    name: Annotated[str, "Tag of the object."]
    reason: str


UnavailableList = Annotated[list[Unavailable], "What this meter lacks, or has no sensible value of."]
"""``unavailable`` of a result."""


def list_unavailable(faults: Mapping[str, Fault]) -> list[Unavailable]:
    """Faults by tag as a result shows them."""
    return [{"name": tag, "reason": fault.message} for tag, fault in faults.items()]
