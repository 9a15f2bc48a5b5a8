"""Waiting for the outcome of a request."""

import time
from collections.abc import Callable

from osgp.processes.database import give_back_connection
from osgp.requests.models import FINAL_STATES, Request

FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0
"""Seconds between queries."""


def wait_until_final(
    request_id: int, seconds: float, is_pointless: Callable[[], bool] = lambda: False
) -> None:
    """Wait until the request is final, ``seconds`` have passed, or ``is_pointless()``.

    Holds no database connection between queries. The caller has to check whether the request is final.
    """
    deadline = time.monotonic() + seconds
    pause = FIRST_PAUSE
    pending = Request.objects.filter(pk=request_id).exclude(state__in=FINAL_STATES)
    while pending.exists():
        remaining = deadline - time.monotonic()
        if remaining <= 0 or is_pointless():
            return
        give_back_connection()
        time.sleep(min(pause, remaining))
        pause = min(pause * 1.5, LONGEST_PAUSE)
