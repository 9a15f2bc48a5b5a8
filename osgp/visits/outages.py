"""How a visit outlasts an outage of the database.

The visit holds in memory what the meter has said, and it may be impossible to read that again. So it repeats
its calls until the database is back or the lease is over. A call may have taken effect although its answer
was lost with the connection; the called functions find that out (osgp/requests/states/lost_answers.py).
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
"""Seconds between tries of all visits of a process together."""
PATIENCE_WHEN_STOPPED = 1 / 3
"""The part of STOP_DEADLINE for which a process that was asked to end waits for the database."""


class NotStored(Fault):
    """The database kept refusing a call although leases could be extended, so it is not an outage."""

    def __init__(self) -> None:
        super().__init__(
            FaultCode.UNABLE_TO_PROCESS_REQUEST,
            "The database did not carry out a call for as long as a lease lasts.",
            component=Component.CORE,
            retryable=True,
        )


class _Turns:
    """The turns of the visits: one at a time tries whether the database is back, the others wait."""

    def __init__(self) -> None:
        self._next_at: float | None = None

    def wait(self) -> None:
        """Let the next visit try after the pause."""
        self._next_at = time.monotonic() + PAUSE

    def end(self) -> None:
        """Let all visits try: the database is back."""
        self._next_at = None

    def take_turn(self) -> bool:
        """Return whether the caller shall try now."""
        if self._next_at is None:
            return True
        if time.monotonic() < self._next_at:
            return False
        self.wait()
        return True


_turns = _Turns()


class _Patience:
    """The patience with one call, from its first failure."""

    def __init__(self, lease: Lease) -> None:
        self._lease = lease
        self._until = time.monotonic() + compute_duration()
        self._stopped_until = float("inf")

    def wait(self) -> None:
        """Wait for our turn to try again. Raises as :meth:`PatientLanes.run` does."""
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
    """The database lanes as one visit uses them: they repeat calls while the database is away."""

    def __init__(self, lease: Lease) -> None:
        self._lease = lease
        self.was_away = False
        """Whether there was an outage: calls may have taken effect without our knowledge."""

    def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call ``function`` in a lane until the database carries it out; return or raise what it does.

        Raises LeaseLost if the lease is over, or the process has to end, before the database is back, and
        NotStored if the call fails for that long although the lease is extended. Holds no lane between tries.
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
        """Note that the database is away; log it once."""
        _turns.wait()
        if not self.was_away:
            self.was_away = True
            logger.warning(
                "visit %s: the database is away: %s", self._lease.session_id, format_in_one_line(error)
            )
