"""Celery tasks of pushes and alarms, on the queue ``push``."""

import threading
import time
from collections.abc import Sequence
from typing import Any

from osgp.accounts.models import Organisation
from osgp.alarms import acknowledging, decoding
from osgp.celery import app
from osgp.processes.database import lanes
from osgp.processes.stopping import stop

LONGEST_TASK = 10.0
"""Seconds of work in one task; the next one goes on, after others on the queue."""
_at_it = threading.BoundedSemaphore(2)
"""A process follows two hints at a time and drops others: all of them are about the same work."""


@app.task(name="osgp.alarms.decode")
def decode(**_: Any) -> None:
    """Decode pushes that wait, slice by slice, in a database lane."""
    if not _at_it.acquire(blocking=False):
        return
    try:
        deadline = time.monotonic() + LONGEST_TASK
        while lanes.run(decoding.decode_some):
            if stop.is_requested:
                return
            if time.monotonic() > deadline:
                decode.apply_async()
                return
    finally:
        _at_it.release()


@app.task(name="osgp.alarms.acknowledge")
def acknowledge(
    organisation: int | None, groups: Sequence[int], last: int, by: str, note: str, **_: Any
) -> None:
    """Acknowledge the alarms of groups up to a primary key, slice by slice, in a database lane.

    Should it be lost, they stay open, and somebody acknowledges them again.
    """
    deadline = time.monotonic() + LONGEST_TASK
    while lanes.run(_acknowledge_slice, organisation, groups, last, by, note):
        if stop.is_requested or time.monotonic() > deadline:
            acknowledge.apply_async(args=(organisation, groups, last, by, note))
            return


def _acknowledge_slice(
    organisation_id: int | None, groups: Sequence[int], last: int, by: str, note: str
) -> int:
    organisation = None
    if organisation_id is not None:
        organisation = Organisation.objects.filter(pk=organisation_id).first()
        if organisation is None:
            return 0  # It was deleted meanwhile. Without it, the alarms would be those of all.
    alarms = acknowledging.list_alarms_to_acknowledge(organisation, groups, last)
    return acknowledging.acknowledge(alarms, by, note, most=acknowledging.SLICE)
