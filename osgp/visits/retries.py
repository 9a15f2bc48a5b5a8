"""When a request is tried again, and with which priority."""

import random
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Protocol

from django.conf import settings

from osgp.faults import FaultCode

ATTEMPTS_TO_READ_KEYS = 20
"""Attempts while keys are sealed under a key-encryption key that this worker does not know.

Other workers do, and this one will after its restart; RETRY_DELAY lies between them, so it may take a while.
"""

LONGEST_DELAY = timedelta(hours=6)
"""Some meters have twenty attempts: doubled each time, the last wait would be months."""


def compute_delay(attempt: int) -> timedelta:
    """Return the wait after the ``attempt``-th attempt (1, 2, …): RETRY_DELAY × 2^(attempt - 1) ± 25 %.

    Never more than LONGEST_DELAY ± 25 %. The jitter keeps meters that failed together, as in a lost cell,
    from being dialled together again.
    """
    base: timedelta = settings.OSGP["RETRY_DELAY"]
    delay = min(base * float(2 ** min(attempt - 1, 20)), max(base, LONGEST_DELAY))
    return delay * random.uniform(0.75, 1.25)


def lower_priority(priority: int) -> int:
    """Return the priority of a retried request, so that new requests go first."""
    return max(priority - 1, 0)


class AttemptedRequest(Protocol):
    """The fields of a request that matter here."""

    @property
    def attempts(self) -> int: ...
    @property
    def bypass_retry(self) -> bool: ...


def find_next_delay(
    request: AttemptedRequest, fault: Mapping[str, Any], most_attempts: int | None = None
) -> timedelta | None:
    """Return the wait before the next attempt after ``fault``; None if there is none.

    ``most_attempts`` is that of the meter; None: MAX_ATTEMPTS.

    There is none after a permanent fault, with ``bypass_retry`` and after the last attempt.
    ``states.retry_request`` compares it with ``max_schedule_time``, by the clock of the database.
    """
    if not fault["retryable"] or request.bypass_retry:
        return None
    if fault["code"] == FaultCode.READING_KEY_EXCEPTION:
        return compute_delay(1) if request.attempts < ATTEMPTS_TO_READ_KEYS else None
    most: int = settings.OSGP["MAX_ATTEMPTS"] if most_attempts is None else most_attempts
    return compute_delay(request.attempts) if request.attempts < most else None
