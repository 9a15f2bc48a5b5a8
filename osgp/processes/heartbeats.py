"""Heartbeats of processes, in the database: who works for the platform, and who has fallen silent.

A loop calls :func:`beat` with its rounds; a process without a loop of its own lets a :class:`Heartbeat` do
it, in a thread. A heartbeat is three short statements every ten seconds.
"""

import logging
import os
import socket
import threading
from collections.abc import Iterable, Mapping
from datetime import timedelta
from enum import StrEnum
from types import TracebackType
from typing import Any, Self

from django.db import DatabaseError, InterfaceError
from django.db.models.functions import Now

from osgp.processes import clocks
from osgp.processes.database import format_in_one_line, lanes
from osgp.processes.models import ProcessHeartbeat
from osgp.sql import add_to_now

logger = logging.getLogger(__name__)

EVERY = 10.0
"""Seconds between the heartbeats of a process."""
FORGOTTEN_AFTER = timedelta(days=1)
LONGEST_NAME = 100
"""Characters."""


class ProcessKind(StrEnum):
    """What a process is for."""

    DISPATCHER = "dispatcher"
    WORKER = "worker"
    BEAT = "beat"
    LISTEN = "listen"
    STREAM = "stream"


def make_name() -> str:
    """Return the name of this process: its host and process id."""
    return f"{socket.gethostname()}:{os.getpid()}"[-LONGEST_NAME:]


def beat(
    kind: str, name: str = "", details: Mapping[str, Any] | None = None, queues: Iterable[str] = ()
) -> None:
    """Store a heartbeat of a process: of this one, unless ``name`` says of which. Forget those that it
    replaces, which have been silent since yesterday.

    ``queues`` are those that a worker consumes. ``details`` is anything else that operators should see, as
    JSON; no secrets. How far the clock is off goes with it, measured anew.
    """
    clocks.measure()
    row = ProcessHeartbeat(
        kind=str(kind),
        name=(name or make_name())[-LONGEST_NAME:],
        queues=",".join(sorted(queues)),
        details={**(details or {}), **clocks.describe()},
        beat_at=Now(),
        ended_at=None,
    )
    ProcessHeartbeat.objects.bulk_create(
        [row],
        update_conflicts=True,
        unique_fields=["kind", "name"],
        update_fields=["queues", "details", "beat_at", "ended_at"],
    )
    # The last one of a kind is remembered for good: its work is missing.
    replaced = ProcessHeartbeat.objects.filter(kind=row.kind, queues=row.queues)
    replaced.filter(beat_at__lt=add_to_now(-FORGOTTEN_AFTER)).delete()


def end(kind: str, name: str = "") -> None:
    """Note that a process ends in good order."""
    row = ProcessHeartbeat.objects.filter(kind=str(kind), name=(name or make_name())[-LONGEST_NAME:])
    row.update(ended_at=Now())


class Heartbeat:
    """Context manager: heartbeats in a thread (a greenlet under gevent), until it is left in good order.

    It uses a database lane. While the database is away, there is none: nobody could look at it either.
    """

    def __init__(
        self,
        kind: str,
        name: str = "",
        details: Mapping[str, Any] | None = None,
        queues: Iterable[str] = (),
    ) -> None:
        self._kind = kind
        self._name = name or make_name()
        self._details = details
        self._queues = tuple(queues)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
        self._is_away = False

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop(in_good_order=error is None)

    def start(self) -> None:
        """Give the first heartbeat, and start the thread that gives the others."""
        self._try(beat, self._kind, self._name, self._details, self._queues)
        self._thread.start()

    def stop(self, *, in_good_order: bool = True) -> None:
        """End the thread, and note that the process ends, if it does so in good order."""
        self._stop.set()
        self._thread.join()
        if in_good_order:
            self._try(end, self._kind, self._name)

    def _run(self) -> None:
        while not self._stop.wait(EVERY):
            self._try(beat, self._kind, self._name, self._details, self._queues)

    def _try(self, function: Any, *arguments: Any) -> None:
        try:
            lanes.run(function, *arguments)
        except (DatabaseError, InterfaceError) as error:
            if not self._is_away:
                logger.warning("no heartbeat: %s", format_in_one_line(error))
            self._is_away = True
        else:
            self._is_away = False
