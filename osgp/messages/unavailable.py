"""What could not be read although meters of the profile have it, as the results of all messages list it."""

from collections.abc import Mapping
from typing import Annotated, TypedDict

from osgp.faults import Fault


class Unavailable(TypedDict):
    """Something that could not be read."""

    name: Annotated[str, "Field of the result, such as cell_info.signal_quality, or tag of the object."]
    reason: Annotated[str, "How the meter refused, or why what it said makes no sense."]


UnavailableList = Annotated[list[Unavailable], "What this meter lacks, or has no sensible value of."]
"""``unavailable`` of a result."""


def list_unavailable(faults: Mapping[str, Fault]) -> list[Unavailable]:
    """Faults by field or tag as a result shows them."""
    return [{"name": name, "reason": fault.message} for name, fault in faults.items()]
