"""A watchdog ends a process that makes no progress, so that its supervisor starts a new one.

Such a process is worse than a dead one: its greenlet hub is blocked, its database lanes wait for an answer
that never comes, or the broker has forgotten its consumer. So a healthy process gives signs of life, and the
lack of them ends it. The timer is that of the interpreter (``faulthandler``): it runs outside of gevent and
of the interpreter lock, and prints the stack of every thread.
"""

import faulthandler
import logging
import threading
import time
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, InterfaceError
from django.db.models import F

from osgp.processes.database import lanes
from osgp.requests.models import MeterSession, SessionState
from osgp.sql import add_to_now
from osgp.visits.leases import keeper

logger = logging.getLogger(__name__)

STDERR = 2
INTERVAL = 1.0
"""Seconds between checks."""
WORTH_LOGGING = 1.0
"""Seconds by which a check may be late before it is logged: for so long one greenlet held up all others."""
LOOK_FOR_WORK_EVERY = 15.0
"""Seconds between the checks of an idle worker for hints that it does not receive."""


class Pulse:
    """Signs of life of the process. Without one for ``limit`` seconds, the process ends with status 1.

    A sign of life touches ``file``, if given, so that a supervisor can watch from outside.
    """

    def __init__(self, limit: float, file: Path | None = None) -> None:
        self._limit = limit
        self._file = file
        self._ends_at: float | None = None

    @classmethod
    def from_settings(cls) -> "Pulse":
        """Make a pulse with WATCHDOG_LIMIT and HEARTBEAT_FILE."""
        return cls(settings.OSGP["WATCHDOG_LIMIT"].total_seconds(), settings.OSGP["HEARTBEAT_FILE"])

    def beat(self) -> None:
        """Give a sign of life."""
        self._arm()
        if self._file is not None:
            self._file.touch()

    def end_within(self, seconds: float) -> None:
        """End the process after ``seconds``, whatever its signs of life. Safe in signal handlers."""
        self._ends_at = time.monotonic() + seconds
        self._arm()

    def stop(self) -> None:
        """Stop the timer."""
        faulthandler.cancel_dump_traceback_later()

    def _arm(self) -> None:
        while True:
            ends_at = self._ends_at
            remaining = self._limit if ends_at is None else max(ends_at - time.monotonic(), 0.001)
            faulthandler.dump_traceback_later(remaining, exit=True, file=STDERR)
            if ends_at == self._ends_at:
                return  # else a signal came meanwhile, and its deadline counts


class WorkerWatchdog:
    """Watches a worker process, in a thread of it (a greenlet under gevent)."""

    def __init__(self, pulse: Pulse, *, visits_meters: bool = True) -> None:
        self._pulse = pulse
        self._visits_meters = visits_meters
        self._tasks_ended = 0
        self._seen: tuple[int, int] = (0, 0)
        self._looked_at = float("-inf")
        self._missed_work = False

    def on_task_ended(self, **_: object) -> None:
        """Note that a Celery task ended, successfully or not."""
        self._tasks_ended += 1

    def start(self) -> None:
        """Start to watch."""
        self._pulse.beat()
        threading.Thread(target=self._run, name="watchdog", daemon=True).start()

    def _run(self) -> None:
        while True:
            due = time.monotonic() + INTERVAL
            time.sleep(INTERVAL)
            late = time.monotonic() - due
            if late > WORTH_LOGGING:
                logger.warning("one greenlet held up the whole process for %.1f s", late)
            if self.makes_progress():
                self._pulse.beat()

    def makes_progress(self) -> bool:
        """Return whether tasks end or leases are extended; an idle worker must receive hints.

        A lost database or broker is no reason to end: a new process would not have it either.
        """
        progress = (self._tasks_ended, keeper.extensions)
        if progress != self._seen:
            self._seen = progress
            self._missed_work = False
            return True
        if keeper.count_held():
            return False
        if self._visits_meters and time.monotonic() - self._looked_at >= LOOK_FOR_WORK_EVERY:
            self._looked_at = time.monotonic()
            self._missed_work = self._is_deaf()
        return not self._missed_work

    @staticmethod
    def _is_deaf() -> bool:
        """Return whether dispatchers repeat hints that no worker takes, although this one is idle."""
        try:
            return lanes.run(_has_unclaimed_hints)
        except (DatabaseError, InterfaceError):
            return False


def _has_unclaimed_hints() -> bool:
    patience: timedelta = settings.OSGP["HINT_TIMEOUT"]
    return MeterSession.objects.filter(
        state=SessionState.OPENED,
        published_at__gte=F("opened_at") + patience,
        published_at__gt=add_to_now(-3 * patience),
    ).exists()
