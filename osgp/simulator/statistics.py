"""What happened to a meter, counted. Tests of a head-end compare these numbers with what it claims to have
done."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(slots=True)
class MeterStatistics:
    """Counts since the meter was built.

    ``concurrent_associations`` counts the attempts to open a second management association while one was
    open. ``invocation_counter_refusals`` counts APDUs that were refused since their counter was not above
    the last.
    """

    connections: int = 0
    associations: int = 0
    public_associations: int = 0
    refused_associations: int = 0
    concurrent_associations: int = 0
    authentication_failures: int = 0
    invocation_counter_refusals: int = 0
    releases: int = 0
    apdus: int = 0
    gets: int = 0
    sets: int = 0
    actions: int = 0
    exceptions: int = 0
    faults: int = 0

    def as_dict(self) -> dict[str, Any]:
        """The counts by name."""
        return asdict(self)
