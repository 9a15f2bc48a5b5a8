"""Notices a process that stopped making progress, and ends it, so that its supervisor starts a new one.

A process that lives but does nothing is worse than a dead one: a blocked greenlet hub, database lanes that
wait for an answer that never comes, a consumer that the broker has forgotten. So a healthy process gives
signs of life, and the lack of them ends it. The timer behind that is the interpreter's own
(``faulthandler``): it runs outside of gevent and of the interpreter lock, and tells where every thread was.
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
"""Seconds between looks."""
WORTH_TELLING = 1.0
"""Seconds by which a look may come late before the log tells: so long did one greenlet hold up all others."""
LOOK_FOR_WORK_EVERY = 15.0
"""Seconds between the questions of an idle worker whether there is work that it does not hear of."""


class Pulse:
    """Signs of life. When they fail to come for ``limit`` seconds, the process ends with status 1.

    They touch ``file`` as well, if there is one, so that a supervisor can watch from outside.
    """

    def __init__(self, limit: float, file: Path | None = None) -> None:
        self._limit = limit
        self._file = file
        self._ends_at: float | None = None

    @classmethod
    def from_settings(cls) -> "Pulse":
        """As WATCHDOG_LIMIT and HEARTBEAT_FILE say."""
        return cls(settings.OSGP["WATCHDOG_LIMIT"].total_seconds(), settings.OSGP["HEARTBEAT_FILE"])

    def beat(self) -> None:
        """Give a sign of life."""
        self._arm()
        if self._file is not None:
            self._file.touch()

    def end_within(self, seconds: float) -> None:
        """From now on no sign of life keeps the process from ending in time; for signal handlers as well."""
        self._ends_at = time.monotonic() + seconds
        self._arm()

    def stop(self) -> None:
        """Leave the process alone."""
        faulthandler.cancel_dump_traceback_later()

    def _arm(self) -> None:
        while True:
            ends_at = self._ends_at
            remaining = self._limit if ends_at is None else max(ends_at - time.monotonic(), 0.001)
            faulthandler.dump_traceback_later(remaining, exit=True, file=STDERR)
            if ends_at == self._ends_at:
                return  # else a signal came in between, and its deadline counts


class WorkerWatchdog:
    """Looks after a worker process, from a thread of it (a greenlet under gevent)."""

    def __init__(self, pulse: Pulse, *, visits_meters: bool = True) -> None:
        self._pulse = pulse
        self._visits_meters = visits_meters
        self._tasks_ended = 0
        self._seen: tuple[int, int] = (0, 0)
        self._looked_at = float("-inf")
        self._missed_work = False

    def on_task_ended(self, **_: object) -> None:
        """A task ended, well or not."""
        self._tasks_ended += 1

    def start(self) -> None:
        """Begin to watch."""
        self._pulse.beat()
        threading.Thread(target=self._run, name="watchdog", daemon=True).start()

    def _run(self) -> None:
        while True:
            due = time.monotonic() + INTERVAL
            time.sleep(INTERVAL)
            late = time.monotonic() - due
            if late > WORTH_TELLING:
                logger.warning("nothing else could run for %.1f s: something held up the whole process", late)
            if self.makes_progress():
                self._pulse.beat()

    def makes_progress(self) -> bool:
        """Whether tasks end or leases are extended; if there is nothing to do, that it hears of work.

        Losing the database or the broker is no reason to end: a new process would not have them either.
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
        """Whether a dispatcher keeps on sending hints that nobody takes up, although this worker is idle."""
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
