"""The leases that this process holds, extended together while it lives, and hung up when they are over.

One UPDATE every third of a lease keeps all sessions of a worker alive. When the process dies, the updates
stop and the reaper gives its meters to others. Meters allow one association, so whoever lost a lease must
have hung up before somebody else calls: a lease is the line to its meter at the same time. Nothing is sent
over it when it is over, which helps a process that was frozen. Whoever waits in it is woken, and the meter
hung up on, by a thread that does nothing else: the one that extends leases may have to wait for the database.
"""

import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import Error

from osgp.faults import Component, Fault, FaultCode
from osgp.processes.database import in_one_line, lanes
from osgp.protocol_dlms import Line
from osgp.requests import states

logger = logging.getLogger(__name__)

LOCAL_PART = 0.9
"""How much of a lease this process makes use of. In the rest it hangs up, before the database gives the meter
to somebody else."""


class LeaseLost(Fault):
    """The session was given to somebody else; nothing that this visit still learns is stored."""

    def __init__(self) -> None:
        super().__init__(
            FaultCode.UNABLE_TO_PROCESS_REQUEST,
            "The lease on the meter was lost.",
            component=Component.CORE,
            retryable=True,
        )


class Lease(Line):
    """The right to use one meter for a limited time, and the line to it."""

    def __init__(self, session_id: uuid.UUID) -> None:
        super().__init__()
        self.session_id = session_id
        self.begun_at = self.valid_until = 0.0
        self.begin()

    def begin(self) -> None:
        """The session is about to be claimed: the database counts from a moment after this one."""
        self.begun_at = time.monotonic()
        self.valid_until = self.begun_at + duration()

    def check(self) -> None:
        """Raise LeaseLost unless the meter is certainly still ours."""
        if self.is_down or time.monotonic() >= self.valid_until:
            raise LeaseLost

    def extend(self, valid_until: float) -> None:
        """It lasts until then (monotonic clock), unless it is over: there is no way back."""
        if time.monotonic() < self.valid_until:
            self.valid_until = valid_until


def duration() -> float:
    """Seconds that this process makes use of a lease."""
    return float(settings.OSGP["SESSION_LEASE"].total_seconds()) * LOCAL_PART


class LeaseKeeper:
    """Looks after all leases of the process, from two threads (greenlets under gevent)."""

    def __init__(self) -> None:
        self.extensions = 0
        """How often leases were extended."""
        self._leases: dict[uuid.UUID, Lease] = {}
        self._changed = threading.Condition()
        self._extending: threading.Thread | None = None
        self._watching: threading.Thread | None = None
        self._watch_until = float("inf")
        """When the watching thread looks next."""
        self._is_database_away = False

    @contextmanager
    def keep(self, lease: Lease) -> Iterator[Lease]:
        """Look after the lease of a session that was claimed."""
        with self._changed:
            self._leases[lease.session_id] = lease
            self._extending = _alive(self._extending, self._keep_extending, "lease-keeper")
            self._watching = _alive(self._watching, self._keep_watching, "lease-watcher")
            if lease.valid_until < self._watch_until:
                self._changed.notify()
        try:
            yield lease
        finally:
            with self._changed:
                self._leases.pop(lease.session_id, None)

    def held(self) -> int:
        """How many leases this process holds."""
        return len(self._leases)

    # --- Hanging up -----------------------------------------------------------------------------------

    def _keep_watching(self) -> None:
        with self._changed:
            while self._leases:
                self._watch_until = self._hang_up_on_lost()
                wait = None if self._watch_until == float("inf") else self._watch_until - time.monotonic()
                self._changed.wait(wait)
            self._watching = None

    def _hang_up_on_lost(self) -> float:
        """Hang up where a lease is over; returns when the next one will be."""
        next_end = float("inf")
        for lease in self._leases.values():
            if lease.is_down:
                continue
            if time.monotonic() >= lease.valid_until:
                lease.hang_up()
            else:
                next_end = min(next_end, lease.valid_until)
        return next_end

    # --- Extending ------------------------------------------------------------------------------------

    def _keep_extending(self) -> None:
        pause = duration() / 3
        while True:
            time.sleep(pause)
            with self._changed:
                if not self._leases:
                    self._extending = None
                    return
                now = time.monotonic()
                leases = {key: lease for key, lease in self._leases.items() if now < lease.valid_until}
            # The leases stay valid until their time is over: the database may be back before that.
            pause = duration() / (3 if not leases or self._could_extend(leases) else 30)

    def _could_extend(self, leases: dict[uuid.UUID, Lease]) -> bool:
        try:
            self._extend(leases)
        except Error as error:
            if not self._is_database_away:
                logger.warning(
                    "the leases of %d sessions could not be extended: %s", len(leases), in_one_line(error)
                )
            self._is_database_away = True
            return False
        self._is_database_away = False
        return True

    def _extend(self, leases: dict[uuid.UUID, Lease]) -> None:
        # Taken before the query: the database counts the new lease from a moment after this one.
        valid_until = time.monotonic() + duration()
        held = lanes.run(states.extend, list(leases))
        self.extensions += 1
        for session_id, lease in leases.items():
            if session_id in held:
                lease.extend(valid_until)
            else:
                lease.hang_up()


def _alive(thread: threading.Thread | None, target: Callable[[], None], name: str) -> threading.Thread:
    if thread is None or not thread.is_alive():
        thread = threading.Thread(target=target, name=name, daemon=True)
        thread.start()
    return thread


keeper = LeaseKeeper()
