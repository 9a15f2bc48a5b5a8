"""Progress of a batch: its requests by state, and the failed ones by fault."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from typing import Any, NamedTuple

from django.db.models import Count

from osgp.batches.models import Batch
from osgp.requests.models import FINAL_STATES, Request, RequestState


class FaultCount(NamedTuple):
    """Number of requests that failed with a fault."""

    code: int
    name: str
    number: int


@dataclass(frozen=True)
class Progress:
    """Requests by state, and failed ones by fault, most frequent first."""

    total: int
    skipped: int
    states: Mapping[str, int]
    faults: tuple[FaultCount, ...]

    @property
    def final(self) -> int:
        """Number of requests in a final state."""
        return sum(count for state, count in self.states.items() if state in FINAL_STATES)

    @property
    def success_rate(self) -> Decimal | None:
        """Share of succeeded among succeeded and failed requests, 0 to 1, rounded down; None without any."""
        succeeded = self.states.get(RequestState.SUCCEEDED, 0)
        ended = succeeded + self.states.get(RequestState.FAILED, 0)
        if not ended:
            return None
        return (Decimal(succeeded) / ended).quantize(Decimal("0.0001"), ROUND_DOWN)

    def as_outcome(self) -> dict[str, Any]:
        """Return the counts as JSON, to be stored when the batch is final: it outlives its requests."""
        return {"states": dict(self.states), "faults": [list(fault) for fault in self.faults]}


def measure_progress(batch: Batch) -> Progress:
    """Return the progress of a batch: two indexed queries at most; none for a final batch.

    Its total is no less than the requests that there are: while it is CREATING it may be an estimate.
    """
    if batch.outcome is not None:
        states: Mapping[str, int] = batch.outcome["states"]
        faults = [FaultCount(*fault) for fault in batch.outcome["faults"]]
    else:
        states = count_states(batch)
        faults = count_faults(batch) if states.get(RequestState.FAILED) else []
    return Progress(
        max(batch.total, sum(states.values())),
        batch.skipped,
        {state: states.get(state, 0) for state in RequestState.values},
        tuple(faults),
    )


def count_states(batch: Batch) -> dict[str, int]:
    """Count requests by state."""
    rows = Request.objects.filter(batch=batch).order_by().values_list("state")
    return dict(rows.annotate(number=Count("*")))


def count_faults(batch: Batch) -> list[FaultCount]:
    """Count failed requests by fault, most frequent first."""
    failed = Request.objects.filter(batch=batch, state=RequestState.FAILED).order_by()
    counts: Counter[tuple[int, str]] = Counter()
    rows = failed.values_list("fault__code", "fault__name").annotate(number=Count("*"))
    for code, name, number in rows:
        if code is not None:
            counts[code, name] += number
    return [FaultCount(code, name, number) for (code, name), number in counts.most_common()]
