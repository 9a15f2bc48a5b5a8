"""``Prefer: wait=20`` (RFC 7240): hold a call until its request is final or the time is up."""

import re
import threading
import time

from django.conf import settings

from osgp.requests.database import give_back_connection
from osgp.requests.models import FINAL_STATES, Request

LONGEST_WAIT = 60
"""Seconds."""
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0
"""Seconds between looks at the row."""

_WAIT = re.compile(r"(?:^|[,;])\s*wait\s*=\s*\"?(\d{1,6})\"?\s*(?=[,;]|$)", re.IGNORECASE | re.ASCII)

# Each waiting call keeps a thread of the web server: without a bound they would keep all of them.
_places = threading.BoundedSemaphore(settings.OSGP["WAITING_CALLS"])


def preferred_wait(header: str | None) -> int:
    """The seconds that a Prefer header asks for, at most 60; 0 when it does not, or not in the right form."""
    match = _WAIT.search(header or "")
    return min(int(match[1]), LONGEST_WAIT) if match else 0


def wait_until_final(request_id: int, seconds: float) -> bool:
    """Wait for the outcome of a request. False: not waited, too many calls wait already.

    Holds no database connection between looks. Whether the outcome is known is for the caller to see.
    """
    if not _places.acquire(blocking=False):
        return False
    try:
        _poll(request_id, time.monotonic() + seconds)
    finally:
        _places.release()
    return True


def _poll(request_id: int, deadline: float) -> None:
    pause = FIRST_PAUSE
    pending = Request.objects.filter(pk=request_id).exclude(state__in=FINAL_STATES)
    while pending.exists():
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            return
        give_back_connection()
        time.sleep(min(pause, remaining))
        pause = min(pause * 1.5, LONGEST_PAUSE)
