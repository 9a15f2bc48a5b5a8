"""Making the requests of large batches in the background, slice by slice.

Each slice is one transaction: it makes the requests of the next devices and moves the batch's cursor behind
them, under a lock on the batch's row. If a process dies, the next one continues after the last complete
slice. A unique constraint guarantees one request per device.
"""

import logging
from collections.abc import Collection

from django.db import transaction
from django.db.models import F, Q
from rest_framework.exceptions import ValidationError

from osgp.batches.models import Batch, BatchSource, BatchState
from osgp.faults import Fault, FaultCode
from osgp.fleet import states, storing, targets
from osgp.fleet.contents import find_batch_operation, parse_content
from osgp.requests.models import Request
from osgp.requests.waiting_limits import are_at_limit

logger = logging.getLogger(__name__)

SLICE = 2000
"""Devices per transaction."""
ACTIONS_PER_SLICE = 20_000
"""Actions per transaction: of large bundles a slice has fewer devices."""


class BatchFailed(Exception):
    """Making the requests of a batch met an unforeseen error; ``batch_id`` is the batch's primary key."""

    def __init__(self, batch_id: int) -> None:
        super().__init__(batch_id)
        self.batch_id = batch_id


def create_slice(beside: Collection[int] = ()) -> bool:
    """Make the next requests of a batch in state CREATING that is not in ``beside``.

    Returns False if there is none, or if other processes have them all. Raises BatchFailed.
    """
    with transaction.atomic():
        batch = (
            Batch.objects.select_for_update(skip_locked=True, of=("self",))
            .select_related("organisation")
            .filter(state=BatchState.CREATING)
            .exclude(pk__in=beside)
            # They go on when some of what waits is done.
            .exclude(are_at_limit("organisation"))
            # To look for devices takes a while; batches whose devices are known do not wait for that.
            .alias(is_looking=Q(source=BatchSource.MISSING))
            .order_by("-priority", "is_looking", "pk")
            .first()
        )
        if batch is None:
            return False
        try:
            with transaction.atomic():
                _create_next(batch)
        except (Fault, ValidationError) as error:
            # This was checked when the batch was accepted: a newer release judges its message differently.
            _give_up(batch, error)
        except Exception as error:
            logger.exception("the requests of batch %s could not be made", batch.uid)
            raise BatchFailed(batch.pk) from error
        return True


def _create_next(batch: Batch) -> None:
    content = parse_content(find_batch_operation(batch.message), batch.parameters)
    limit = min(SLICE, ACTIONS_PER_SLICE // len(content.actions))
    found = targets.find_next(batch, limit)
    if found.keys:
        checked = targets.check_keys(content, batch.organisation, found.keys)
        storing.store(batch, content, checked)
        skipped = len(checked.refused)
    else:
        skipped = 0
    Batch.objects.filter(pk=batch.pk).update(cursor=found.cursor, skipped=F("skipped") + skipped)
    if found.is_last:
        running = states.run(batch.pk, total=_count_requests(batch))
        assert running, "its row is locked"


def _give_up(batch: Batch, error: Fault | ValidationError) -> None:
    fault = (
        error
        if isinstance(error, Fault)
        else Fault(FaultCode.VALIDATION_ERROR, "The parameters are not valid any more.")
    )
    logger.warning("batch %s: no more requests are made: %s", batch.uid, fault.message)
    running = states.give_up(batch.pk, total=_count_requests(batch), fault=fault.as_dict())
    assert running, "its row is locked"


def _count_requests(batch: Batch) -> int:
    return Request.objects.filter(batch=batch).count()
