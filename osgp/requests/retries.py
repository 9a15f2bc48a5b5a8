"""When a request is tried again, and what that costs it."""

import random
from datetime import datetime, timedelta

from django.conf import settings

from osgp.requests.models import Request


def delay_after(attempt: int) -> timedelta:
    """How long to wait after the ``attempt``-th attempt (1, 2, …): 30 s × 2ⁿ, give or take a quarter.

    The jitter keeps meters that failed together (a cell that went down) from being dialled together again.
    """
    base: timedelta = settings.OSGP["RETRY_DELAY"]
    return base * float(2 ** (attempt - 1)) * random.uniform(0.75, 1.25)


def lowered(priority: int) -> int:
    """Retried work makes way for work that was never tried."""
    return max(priority - 1, 0)


def next_delay(request: Request, *, retryable: bool, now: datetime) -> timedelta | None:
    """The wait before the next attempt, or None when there is none.

    There is none for a permanent fault, with ``bypass_retry``, after the last attempt, and when it would come
    after ``max_schedule_time``.
    """
    if not retryable or request.bypass_retry or request.attempts >= settings.OSGP["MAX_ATTEMPTS"]:
        return None
    delay = delay_after(request.attempts)
    if request.max_schedule_time is not None and now + delay > request.max_schedule_time:
        return None
    return delay
