"""Every change of state of batches, each a conditional UPDATE whose row count counts.

docs/states.md is drawn from the table.
"""

from collections.abc import Mapping
from typing import Any

from django.db.models.functions import Now

from osgp.batches.models import Batch, BatchState
from osgp.state_tables import StateTable, Transition, apply


class BatchTransitions(StateTable):
    """Of batches."""

    row = "Batch"
    states = BatchState
    initial = {
        BatchState.CREATING: "accepted, and its requests are made in the background",
        BatchState.RUNNING: "accepted with all its requests",
    }

    RUN = Transition((BatchState.CREATING,), BatchState.RUNNING, "worker", "all its requests are made")
    GIVE_UP = Transition(
        (BatchState.CREATING,), BatchState.RUNNING, "worker", "no more requests can be made of it"
    )
    CANCEL = Transition(
        (BatchState.CREATING, BatchState.RUNNING),
        BatchState.CANCELLING,
        "organisation",
        "it is not wanted any more",
    )
    COMPLETE = Transition((BatchState.RUNNING,), BatchState.COMPLETED, "worker", "all its requests are final")
    END_CANCELLING = Transition(
        (BatchState.CANCELLING,), BatchState.CANCELLED, "worker", "all its requests are final"
    )


def store_with_requests(batch: Batch) -> None:
    """Store a new batch whose requests are made in the same transaction: it is RUNNING at once."""
    batch.state = BatchState.RUNNING
    batch.save(force_insert=True)


def run(batch_id: int, total: int) -> bool:
    """CREATING -> RUNNING: ``total`` requests were made. False: it was cancelled meanwhile."""
    return _apply(batch_id, BatchTransitions.RUN, total=total)


def give_up(batch_id: int, total: int, fault: Mapping[str, Any]) -> bool:
    """CREATING -> RUNNING with the ``total`` requests that there are. False: it was cancelled meanwhile."""
    return _apply(batch_id, BatchTransitions.GIVE_UP, total=total, fault=fault)


def cancel(batch_id: int) -> bool:
    """CREATING or RUNNING -> CANCELLING. False: it is over. To cancel once more is no mistake."""
    rows = Batch.objects.filter(pk=batch_id)
    return _apply(batch_id, BatchTransitions.CANCEL) or rows.filter(state=BatchState.CANCELLING).exists()


def complete(batch: Batch, total: int, outcome: Mapping[str, Any]) -> bool:
    """RUNNING -> COMPLETED, or CANCELLING -> CANCELLED. False: its state has changed since it was read."""
    is_cancelled = batch.state == BatchState.CANCELLING
    transition = BatchTransitions.END_CANCELLING if is_cancelled else BatchTransitions.COMPLETE
    return _apply(batch.pk, transition, total=total, outcome=outcome, completed_at=Now())


def _apply(batch_id: int, transition: Transition, **changes: Any) -> bool:
    return apply(Batch.objects.filter(pk=batch_id), transition, **changes) == 1
