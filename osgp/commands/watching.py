"""A bar that shows how far batches are, until they are over."""

import time
from collections.abc import Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from osgp.batches.models import Batch
from osgp.commands.sending import FAILED, PENDING, SUCCEEDED
from osgp.fleet import steering
from osgp.fleet.progress import measure_progress
from osgp.processes.database import give_back_connection
from osgp.requests.models import RequestState

DEFAULT_WAIT = 3600.0
LOOK_EVERY = 1.0
"""Seconds."""


def watch(batches: Sequence[Batch], seconds: float) -> list[Batch]:
    """Show a bar for each, until all are over or the time is; return them as they are then.

    The bars are on standard error, where they do not get between the lines of the answer.
    """
    deadline = time.monotonic() + seconds
    columns = (
        TextColumn("{task.description}"),
        BarColumn(40),
        MofNCompleteColumn(),
        TextColumn("{task.fields[failed]} failed"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bars:
        shown = [bars.add_task(batch.content, total=batch.total, failed=0) for batch in batches]
        while True:
            for bar, batch in zip(shown, batches, strict=True):
                counts = measure_progress(batch)
                failed = counts.states[RequestState.FAILED]
                bars.update(bar, completed=counts.final, total=counts.total, failed=failed)
            pending = [batch for batch in batches if not batch.is_final]
            if not pending or time.monotonic() >= deadline:
                break
            for batch in pending:
                steering.settle(batch.pk)
            give_back_connection()
            time.sleep(min(LOOK_EVERY, max(0.0, deadline - time.monotonic())))
            for batch in pending:
                batch.refresh_from_db()
    for batch in batches:
        steering.settle(batch.pk)
    related = Batch.objects.select_related("group", "retry_of", "recurring")
    return [related.get(pk=batch.pk) for batch in batches]


def find_exit_status(batch: Batch) -> int:
    """Whether all succeeded, some failed or were left out, or it is not over yet."""
    if not batch.is_final:
        return PENDING
    counts = measure_progress(batch)
    complete = counts.states[RequestState.SUCCEEDED] == counts.total and not counts.skipped
    return SUCCEEDED if complete and batch.fault is None else FAILED
