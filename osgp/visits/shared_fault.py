"""The requests of a visit whose meter was lost before they were done."""

import uuid
from collections import defaultdict
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from osgp.requests import states
from osgp.requests.concerned import ConcernedRequest, list_running
from osgp.visits import retries


def retry_or_fail(
    session_id: uuid.UUID, fault: Mapping[str, Any], most_attempts: int | None = None
) -> list[ConcernedRequest]:
    """Retry the requests that run in a meter session, or fail them with its fault, when it ends.

    ``most_attempts`` is that of the meter; None: MAX_ATTEMPTS. Requests with equally many attempts wait
    equally long, so that one association serves them all. A few statements, however many requests. Call it
    in the transaction that closes the session. Return the requests as they were before.
    """
    running = list_running(session_id)
    delays: dict[tuple[int, bool], timedelta | None] = {}
    alike: defaultdict[tuple[timedelta, int], list[int]] = defaultdict(list)
    for request in running:
        tried = request.attempts, request.bypass_retry
        if tried not in delays:
            delays[tried] = retries.find_next_delay(request, fault, most_attempts)
        if (delay := delays[tried]) is not None:
            alike[delay, retries.lower_priority(request.effective_priority)].append(request.pk)
    retried = sum(
        states.retry_requests(keys, session_id, delay, fault=fault, priority=priority)
        for (delay, priority), keys in alike.items()
    )
    if retried and (bundles := [request.pk for request in running if request.is_bundle]):
        states.reopen_actions(bundles, session_id)
    if retried < len(running):
        states.fail_running(session_id, fault)
    return running
