"""``Prefer: wait=20`` (RFC 7240): hold a call until its request is final or the time is up.

The wait ends early when the caller hangs up or the process has to end.
"""

import re
import threading
from collections.abc import Callable, Mapping
from typing import Any

from django.conf import settings

from osgp.requests.waiting import wait_until_final

LONGEST_WAIT = 60
"""Seconds."""

_WAIT = re.compile(r"(?:^|[,;])\s*wait\s*=\s*\"?(\d{1,6})\"?\s*(?=[,;]|$)", re.IGNORECASE | re.ASCII)

# Each held call keeps a thread of the web server: without a bound, calls could keep all of them.
_places = threading.BoundedSemaphore(settings.OSGP["WAITING_CALLS"])

_is_ending: Callable[[], bool] = lambda: False  # noqa: E731


def end_when(is_ending: Callable[[], bool]) -> None:
    """End held calls early when ``is_ending()``; set by the server of the web application."""
    global _is_ending
    _is_ending = is_ending


def parse_preferred_wait(header: str | None) -> int:
    """Return the seconds that a Prefer header asks for, at most 60; 0 if it does not, or is malformed."""
    match = _WAIT.search(header or "")
    return min(int(match[1]), LONGEST_WAIT) if match else 0


def hold(request_id: int, seconds: float, environ: Mapping[str, Any]) -> bool:
    """Hold a call until its request is final. Return False at once if too many calls are held already.

    The caller has to check whether the request is final.
    """
    if not _places.acquire(blocking=False):
        return False
    try:
        wait_until_final(request_id, seconds, lambda: _is_ending() or has_hung_up(environ))
    finally:
        _places.release()
    return True


def has_hung_up(environ: Mapping[str, Any]) -> bool:
    """Return whether the caller has closed the connection, if the server tells (osgp.web_server)."""
    tell: Callable[[], bool] | None = environ.get("osgp.has_hung_up")
    return tell is not None and tell()
