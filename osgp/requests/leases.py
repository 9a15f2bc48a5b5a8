"""The leases that this process holds, extended together while it lives.

One UPDATE every third of a lease keeps all sessions of a worker alive. When the process dies, the updates
stop and the reaper gives its meters to others. A visit asks ``Lease.check`` before it uses its meter: a
process that was frozen longer than the lease must not dial a meter that somebody else has by now.
"""

import logging
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import DatabaseError

from osgp.faults import Component, Fault, FaultCode
from osgp.requests import states
from osgp.requests.database import lanes

logger = logging.getLogger(__name__)


class LeaseLost(Fault):
    """The session was given to somebody else; nothing that this visit still learns is stored."""

    def __init__(self) -> None:
        super().__init__(
            FaultCode.UNABLE_TO_PROCESS_REQUEST,
            "The lease on the meter was lost.",
            component=Component.CORE,
            retryable=True,
        )


class Lease:
    """The right to use one meter, valid for a limited time."""

    def __init__(self, session_id: uuid.UUID, valid_until: float) -> None:
        self.session_id = session_id
        self.valid_until = valid_until

    def check(self) -> None:
        """Raise LeaseLost unless the meter is certainly still ours."""
        if time.monotonic() >= self.valid_until:
            raise LeaseLost


class LeaseKeeper:
    """Extends all leases of the process from one thread (a greenlet under gevent)."""

    def __init__(self) -> None:
        self.extensions = 0
        """How often leases were extended."""
        self._leases: dict[uuid.UUID, Lease] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    @contextmanager
    def keep(self, session_id: uuid.UUID) -> Iterator[Lease]:
        """Hold a lease that was claimed just now."""
        lease = Lease(session_id, time.monotonic() + self._validity())
        with self._lock:
            self._leases[session_id] = lease
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="lease-keeper", daemon=True)
                self._thread.start()
        try:
            yield lease
        finally:
            with self._lock:
                self._leases.pop(session_id, None)

    def held(self) -> int:
        """How many leases this process holds."""
        return len(self._leases)

    @staticmethod
    def _validity() -> float:
        return float(settings.OSGP["SESSION_LEASE"].total_seconds())

    def _run(self) -> None:
        while True:
            time.sleep(self._validity() / 3)
            with self._lock:
                leases = dict(self._leases)
                if not leases:
                    self._thread = None
                    return
            try:
                self._extend(leases)
            except DatabaseError:
                # The leases stay valid until their time is over; the database may be back before that.
                logger.warning("the leases of %d sessions could not be extended", len(leases), exc_info=True)

    def _extend(self, leases: dict[uuid.UUID, Lease]) -> None:
        # Taken before the query: the database counts the new lease from a moment after this one.
        valid_until = time.monotonic() + LeaseKeeper._validity()
        held = lanes.run(states.extend, list(leases))
        self.extensions += 1
        for session_id, lease in leases.items():
            lease.valid_until = valid_until if session_id in held else 0.0


keeper = LeaseKeeper()
