"""The leases that this process holds: it extends them together, and hangs up when one is over.

One UPDATE every third of a lease extends all leases of a worker. When the process dies, the updates stop,
and the reaper gives its meters to other workers. A meter allows one association, so a visit that has lost
its lease must hang up before another visit calls. Its line refuses to send when the lease is over; this stops
a process that was frozen. A thread that does nothing else hangs up on visits that wait for their meter: the
thread that extends leases may itself be waiting for the database.
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
from osgp.processes.database import format_in_one_line, lanes
from osgp.protocol_dlms import Line
from osgp.requests import states
from osgp.visits.pace import Pace

logger = logging.getLogger(__name__)

LOCAL_PART = 0.9
"""The part of a lease that this process uses. In the rest it hangs up, before the database gives the meter to
another visit."""
CROWDED = 0.75
"""The part of its slots from which on those of a process are in use: some are kept for urgent work, and
workers do not share evenly."""


class LeaseLost(Fault):
    """Another visit may have the meter; nothing that this visit still learns is stored."""

    def __init__(self) -> None:
        super().__init__(
            FaultCode.UNABLE_TO_PROCESS_REQUEST,
            "The lease on the meter was lost.",
            component=Component.CORE,
            retryable=True,
        )


class LeaseLine(Line):
    """The line of a lease: it must not be used after ``valid_until`` (seconds, monotonic clock)."""

    def __init__(self) -> None:
        super().__init__()
        self.valid_until = 0.0
        self.pace: Pace | None = None
        """What limits the time of a meter that is not known to be slow."""

    def check(self) -> None:
        """Raise LeaseLost unless the meter is certainly still ours, SlotGivenBack if it is too slow."""
        self.check_lease()
        if self.pace is not None:
            self.pace.check(self.traffic)

    def check_lease(self) -> None:
        """Raise LeaseLost unless the meter is certainly still ours."""
        if self.is_down or time.monotonic() >= self.valid_until:
            raise LeaseLost


class Lease:
    """The right to use one meter for a limited time; ``line`` leads to that meter for as long."""

    def __init__(self, session_id: uuid.UUID) -> None:
        self.session_id = session_id
        self.line = LeaseLine()
        self.begun_at = 0.0
        self.begin()

    @property
    def valid_until(self) -> float:
        """When the lease ends (seconds, monotonic clock)."""
        return self.line.valid_until

    def begin(self) -> None:
        """Start the lease, before the claim: the database counts from a later moment than this one."""
        self.begun_at = time.monotonic()
        self.line.valid_until = self.begun_at + compute_duration()

    def check(self) -> None:
        """Raise LeaseLost unless the meter is certainly still ours."""
        self.line.check_lease()

    def extend(self, valid_until: float) -> None:
        """Move the end to ``valid_until`` (monotonic clock). A lease that is over stays over."""
        if time.monotonic() < self.valid_until:
            self.line.valid_until = valid_until


def compute_duration() -> float:
    """Return the seconds of a lease that this process uses."""
    return float(settings.OSGP["SESSION_LEASE"].total_seconds()) * LOCAL_PART


class LeaseKeeper:
    """Keeps all leases of the process, in two threads (greenlets under gevent)."""

    def __init__(self) -> None:
        self.extensions = 0
        """How often leases were extended."""
        self.slots: int | None = None
        """How many visits the process can make at a time, if it has said."""
        self._leases: dict[uuid.UUID, Lease] = {}
        self._changed = threading.Condition()
        self._extending: threading.Thread | None = None
        self._watching: threading.Thread | None = None
        self._watch_until = float("inf")
        """When the watching thread looks next."""
        self._is_database_away = False

    @contextmanager
    def keep(self, lease: Lease) -> Iterator[Lease]:
        """Keep the lease of a claimed meter session until the end of the block."""
        with self._changed:
            self._leases[lease.session_id] = lease
            self._extending = _ensure_alive(self._extending, self._keep_extending, "lease-keeper")
            self._watching = _ensure_alive(self._watching, self._keep_watching, "lease-watcher")
            if lease.valid_until < self._watch_until:
                self._changed.notify()
        try:
            yield lease
        finally:
            with self._changed:
                self._leases.pop(lease.session_id, None)

    def are_slots_in_use(self) -> bool:
        """Return whether most slots are taken, so that others are likely to wait for one."""
        return self.slots is not None and len(self._leases) >= self.slots * CROWDED

    def count_held(self) -> int:
        """Return how many leases this process holds."""
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
        """Hang up where a lease is over. Return when the next lease will be (monotonic clock)."""
        next_end = float("inf")
        for lease in self._leases.values():
            if lease.line.is_down:
                continue
            if time.monotonic() >= lease.valid_until:
                lease.line.hang_up()
            else:
                next_end = min(next_end, lease.valid_until)
        return next_end

    # --- Extending ------------------------------------------------------------------------------------

    def _keep_extending(self) -> None:
        pause = compute_duration() / 3
        while True:
            time.sleep(pause)
            with self._changed:
                if not self._leases:
                    self._extending = None
                    return
                now = time.monotonic()
                leases = {key: lease for key, lease in self._leases.items() if now < lease.valid_until}
            # The leases stay valid until they end: the database may be back before that.
            pause = compute_duration() / (3 if not leases or self._could_extend(leases) else 30)

    def _could_extend(self, leases: dict[uuid.UUID, Lease]) -> bool:
        try:
            self._extend(leases)
        except Error as error:
            if not self._is_database_away:
                logger.warning("%d leases could not be extended: %s", len(leases), format_in_one_line(error))
            self._is_database_away = True
            return False
        self._is_database_away = False
        return True

    def _extend(self, leases: dict[uuid.UUID, Lease]) -> None:
        # Read before the query: the database counts the new lease from a later moment.
        valid_until = time.monotonic() + compute_duration()
        held = lanes.run(states.extend, list(leases))
        self.extensions += 1
        for session_id, lease in leases.items():
            if session_id in held:
                lease.extend(valid_until)
            else:
                lease.line.hang_up()


def _ensure_alive(thread: threading.Thread | None, target: Callable[[], None], name: str) -> threading.Thread:
    if thread is None or not thread.is_alive():
        thread = threading.Thread(target=target, name=name, daemon=True)
        thread.start()
    return thread


keeper = LeaseKeeper()
