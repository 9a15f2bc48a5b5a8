"""When a request is tried again, and what that costs it."""

import random
from datetime import timedelta
from typing import Protocol

from django.conf import settings


def compute_delay(attempt: int) -> timedelta:
    """How long to wait after the ``attempt``-th attempt (1, 2, …): 30 s × 2ⁿ, give or take a quarter.

    The jitter keeps meters that failed together (a cell that went down) from being dialled together again.
    """
    base: timedelta = settings.OSGP["RETRY_DELAY"]
    return base * float(2 ** (attempt - 1)) * random.uniform(0.75, 1.25)


def lower_priority(priority: int) -> int:
    """Retried work makes way for work that was never tried."""
    return max(priority - 1, 0)


class AttemptedRequest(Protocol):
    """What counts of a request here."""

    @property
    def attempts(self) -> int: ...
    @property
    def bypass_retry(self) -> bool: ...


def find_next_delay(request: AttemptedRequest, *, retryable: bool) -> timedelta | None:
    """The wait before the next attempt, or None when there is none.

    There is none for a permanent fault, with ``bypass_retry`` and after the last attempt. Whether it would
    come too late for ``max_schedule_time`` is left to the database's clock (states.retry_request).
    """
    if not retryable or request.bypass_retry or request.attempts >= settings.OSGP["MAX_ATTEMPTS"]:
        return None
    return compute_delay(request.attempts)
