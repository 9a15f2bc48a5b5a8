"""What becomes of all that a visit took, when its meter is lost before it is done."""

import uuid
from collections import defaultdict
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from osgp.requests import states
from osgp.requests.models import Request, RequestState
from osgp.visits import retries


def retry_or_fail(session_id: uuid.UUID, fault: Mapping[str, Any]) -> None:
    """Requests that run in a session are tried again, or FAIL with its fault; in the transaction of its end.

    Those that were tried equally often wait equally long, so that one association will do for all of them.
    A few statements, however many requests.
    """
    running = list(Request.objects.filter(session=session_id, state=RequestState.RUNNING))
    delays: dict[tuple[int, bool], timedelta | None] = {}
    alike: defaultdict[tuple[timedelta, int], list[int]] = defaultdict(list)
    for request in running:
        tried = request.attempts, request.bypass_retry
        if tried not in delays:
            delays[tried] = retries.find_next_delay(request, retryable=fault["retryable"])
        if (delay := delays[tried]) is not None:
            alike[delay, retries.lower_priority(request.effective_priority)].append(request.pk)
    retried = sum(
        states.retry_requests(keys, session_id, delay, fault=fault, priority=priority)
        for (delay, priority), keys in alike.items()
    )
    if bundles := [request.pk for request in running if request.is_bundle]:
        states.reopen_actions(bundles, session_id)
    if retried < len(running):
        states.fail_running(session_id, fault)
