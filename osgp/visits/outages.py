"""How a visit outlasts an outage of the database.

What it has learnt of its meter is in memory, and may be impossible to learn again: so its calls are made
again until the database is back, or the lease is over. The functions that are called find out themselves
whether a call before them, whose answer was lost with the connection, has done their work already
(osgp/requests/states/lost_answers.py).
"""

import logging
import random
import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from django.conf import settings

from osgp.faults import Component, Fault, FaultCode
from osgp.processes.database import AWAY, format_in_one_line, lanes
from osgp.processes.stopping import stop
from osgp.visits.leases import Lease, LeaseLost, compute_duration

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

PAUSE = 0.5
"""Seconds between tries, of all visits of a process together."""
PATIENCE_WHEN_STOPPED = 1 / 3
"""The part of STOP_DEADLINE for which a process that is to end waits for the database."""


class NotStored(Fault):
    """The database does not carry out a call, for all that can be told for a reason that is not an outage."""

    def __init__(self) -> None:
        super().__init__(
            FaultCode.UNABLE_TO_PROCESS_REQUEST,
            "The database was asked in vain for as long as a lease lasts.",
            component=Component.CORE,
            retryable=True,
        )


class _Turns:
    """Who tries next. One at a time finds out whether the database is back, all others wait for that."""

    def __init__(self) -> None:
        self._next_at: float | None = None

    def wait(self) -> None:
        """From now on somebody tries after the pause."""
        self._next_at = time.monotonic() + PAUSE

    def end(self) -> None:
        """It is back: everybody tries."""
        self._next_at = None

    def take_turn(self) -> bool:
        """Whether the caller is to try now."""
        if self._next_at is None:
            return True
        if time.monotonic() < self._next_at:
            return False
        self.wait()
        return True


_turns = _Turns()


class _Patience:
    """Of one call, from the first time on that it failed."""

    def __init__(self, lease: Lease) -> None:
        self._lease = lease
        self._until = time.monotonic() + compute_duration()
        self._stopped_until = float("inf")

    def wait(self) -> None:
        """Until it is our turn to try again; raises as :meth:`PatientLanes.run` does."""
        while True:
            self._check()
            time.sleep(PAUSE * random.uniform(0.5, 1))
            if _turns.take_turn():
                self._check()
                return

    def _check(self) -> None:
        self._lease.check()
        now = time.monotonic()
        if stop.is_requested:
            deadline = settings.OSGP["STOP_DEADLINE"].total_seconds() * PATIENCE_WHEN_STOPPED
            self._stopped_until = min(self._stopped_until, now + deadline)
        if now >= self._stopped_until:
            raise LeaseLost
        if now >= self._until:
            raise NotStored


class PatientLanes:
    """The database as one visit uses it: lanes, with patience while it is away."""

    def __init__(self, lease: Lease) -> None:
        self._lease = lease
        self.was_away = False
        """Whether there was an outage, so that calls may have done more than is known here."""

    def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call ``function`` in a lane as often as it takes; returns or raises what it does in the end.

        Raises LeaseLost when the lease is over before the database is back, or the process is to end; and
        NotStored when it fails for that long although the lease is extended. No lane is held between the
        calls.
        """
        patience: _Patience | None = None
        while True:
            try:
                value = lanes.run(function, *args, **kwargs)
            except AWAY as error:
                self.note_outage(error)
            else:
                if patience is not None:
                    _turns.end()
                return value
            if patience is None:
                patience = _Patience(self._lease)
            patience.wait()

    def note_outage(self, error: Exception) -> None:
        """Note that the database is away; the log tells once."""
        _turns.wait()
        if not self.was_away:
            self.was_away = True
            logger.warning(
                "session %s: the database is away: %s", self._lease.session_id, format_in_one_line(error)
            )
