"""``Prefer: wait=20`` (RFC 7240): hold a call until its request is final or the time is up.

A call is not held for a caller who hung up, nor by a process that is to end: it is answered with what is
known by then.
"""

import re
import socket
import threading
from collections.abc import Callable, Mapping
from typing import Any

from django.conf import settings

from osgp.requests.waiting import wait_until_final

LONGEST_WAIT = 60
"""Seconds."""

_WAIT = re.compile(r"(?:^|[,;])\s*wait\s*=\s*\"?(\d{1,6})\"?\s*(?=[,;]|$)", re.IGNORECASE | re.ASCII)

# Each waiting call keeps a thread of the web server: without a bound they would keep all of them.
_places = threading.BoundedSemaphore(settings.OSGP["WAITING_CALLS"])

_is_ending: Callable[[], bool] = lambda: False  # noqa: E731


def end_when(is_ending: Callable[[], bool]) -> None:
    """``is_ending`` tells whether the process is to end; for whatever serves the web application."""
    global _is_ending
    _is_ending = is_ending


def parse_preferred_wait(header: str | None) -> int:
    """The seconds that a Prefer header asks for, at most 60; 0 when it does not, or not in the right form."""
    match = _WAIT.search(header or "")
    return min(int(match[1]), LONGEST_WAIT) if match else 0


def hold(request_id: int, seconds: float, environ: Mapping[str, Any]) -> bool:
    """Hold a call until its request is final. False: not held, too many calls are held already.

    Whether the outcome is known is for the caller to see.
    """
    if not _places.acquire(blocking=False):
        return False
    try:
        wait_until_final(request_id, seconds, lambda: _is_ending() or has_hung_up(environ))
    finally:
        _places.release()
    return True


def has_hung_up(environ: Mapping[str, Any]) -> bool:
    """Whether nobody waits for the answer any more, as far as the server shows its connection (gunicorn)."""
    connection = environ.get("gunicorn.socket")
    if connection is None:
        return False
    try:
        seen: bytes = connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except (BlockingIOError, ValueError):  # Nothing came; or it is TLS, which cannot be looked into.
        return False
    except OSError:
        return True
    return not seen
