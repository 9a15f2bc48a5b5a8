"""Cancelling a batch, sending it again to its failed devices, and settling it when it is over."""

from collections.abc import Collection

from django.db import transaction
from django.db.models import Exists, OuterRef

from osgp import platform_time
from osgp.accounts.caller import Caller
from osgp.audit.models import AuditEvent
from osgp.batches.models import Batch, BatchSource, BatchState
from osgp.fleet import states
from osgp.fleet.contents import find_batch_operation
from osgp.fleet.progress import measure_progress
from osgp.fleet.submission import tell
from osgp.processes import wakeup
from osgp.requests.models import FINAL_STATES, WAITING_STATES, Request, RequestState
from osgp.requests.states import bulk as bulk_states

CANCEL_SLICE = 2000
"""Requests cancelled in one transaction."""
CANCELLED_AT_ONCE = 10_000
"""Requests that one call cancels by itself; the rest is cancelled in the background."""
MOST_SETTLED = 200
"""Batches settled at one look."""

_PENDING = [state for state in RequestState.values if state not in FINAL_STATES]


class NotInThisState(Exception):
    """The batch is over already, or not yet; the text is for people."""


def cancel(batch: Batch) -> int:
    """Cancel waiting requests and make no more; returns how many are cancelled by now.

    Running requests are finished. Raises NotInThisState for a batch that is over.
    """
    with transaction.atomic():
        if not states.cancel(batch.pk):
            raise NotInThisState("The batch is over.")
        tell(batch, AuditEvent.REQUEST_CANCELLED)
    wakeup.notify()
    cancelled = 0
    while cancelled < CANCELLED_AT_ONCE and (count := cancel_slice(batch.pk)):
        cancelled += count
    settle(batch.pk)
    return cancelled


def cancel_slice(batch_id: int) -> int:
    """Cancel the next waiting requests of a batch; returns how many."""
    return len(bulk_states.cancel_waiting(Request.objects.filter(batch=batch_id), CANCEL_SLICE))


def find_batch_to_cancel(beside: Collection[int] = ()) -> int | None:
    """Return the key of a batch in state CANCELLING with waiting requests that is not in ``beside``."""
    waiting = Request.objects.filter(batch=OuterRef("pk"), state__in=WAITING_STATES)
    batches = Batch.objects.filter(Exists(waiting), state=BatchState.CANCELLING).exclude(pk__in=beside)
    return batches.order_by("pk").values_list("pk", flat=True).first()


@transaction.atomic
def retry_failed(caller: Caller, batch: Batch) -> Batch:
    """Store a new batch with the same message for the failed devices of ``batch``, due now; returns its row.

    Its requests are made in the background. Raises NotInThisState while ``batch`` is not over, or when none
    of its requests failed; Fault 401 for a message that does not exist any more.
    """
    if not batch.is_final:
        raise NotInThisState("The batch is not over yet.")
    failed = Request.objects.filter(batch=batch, state=RequestState.FAILED).count()
    if not failed:
        raise NotInThisState("None of its requests failed, or they were deleted.")
    find_batch_operation(batch.message)
    again = Batch.objects.create(
        organisation=batch.organisation,
        application=caller.application,
        message=batch.message,
        parameters=batch.parameters,
        priority=batch.priority,
        bypass_retry=batch.bypass_retry,
        response_url=batch.response_url,
        spread=batch.spread,
        source=BatchSource.RETRY,
        retry_of=batch,
        total=failed,
        created_at=platform_time.now(),
    )
    tell(again)
    wakeup.notify()
    return again


def settle(batch_id: int | None = None) -> int:
    """Make batches whose requests are all final COMPLETED or CANCELLED, and store their counts.

    Looks at one batch, or at up to 200; returns how many were settled.
    """
    pending = Request.objects.filter(batch=OuterRef("pk"), state__in=_PENDING)
    over = Batch.objects.filter(
        ~Exists(pending), state__in=(BatchState.RUNNING, BatchState.CANCELLING)
    ).order_by("pk")
    if batch_id is not None:
        over = over.filter(pk=batch_id)
    return sum(_settle(batch) for batch in list(over[:MOST_SETTLED]))


@transaction.atomic
def _settle(batch: Batch) -> bool:
    counts = measure_progress(batch)
    # Made no further than this when it was cancelled, or some were deleted already.
    total = sum(counts.states.values())
    return states.complete(batch, total, counts.as_outcome())
