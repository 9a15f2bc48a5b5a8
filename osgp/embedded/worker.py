"""A Celery worker in threads of this process, for the in-process broker."""

import threading
import uuid
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from celery.signals import task_postrun
from celery.worker import WorkController, state
from django.conf import settings
from kombu.exceptions import OperationalError

from osgp.celery import app
from osgp.processes.database import give_back_connection, lanes
from osgp.processes.stopping import stop

START_SECONDS = 30
MESSAGE_SECONDS = 5
"""How long the message to stop and the running tasks may take before the worker is stopped otherwise."""
STOP_SECONDS = 30
EXIT_OK: Any = 0
LIVE_QUEUES = ("meter", "system", "push")
ALL_QUEUES = (*LIVE_QUEUES, "notify")
VISIT_THREADS = 16


def count_threads() -> int:
    """Return how many threads visits and notifications need together.

    The slots of notifications bound how many of them are sent to at a time, so that receivers that hang take
    no thread of a visit; one more looks for what is to be sent, and another one seals the audit trail.
    """
    return VISIT_THREADS + int(settings.OSGP["WEBHOOK_SLOTS"]) + 2


class WorkerError(RuntimeError):
    """The worker did not start or stop in time."""


class _ReportingController(WorkController):
    """Sets an event when it consumes."""

    def __init__(self, ready: threading.Event, **settings: Any) -> None:
        self._ready = ready
        super().__init__(**settings)

    def on_consumer_ready(self, consumer: Any) -> None:
        self._ready.set()


def _on_task_finished(**_: Any) -> None:
    give_back_connection()


class WorkerThread:
    """Context manager: consumes the queues with a pool of threads until it is left.

    Leaving waits for the tasks that are running, whose visits end after the action that they are at and hand
    the rest back. There may be one at a time in a process, because Celery
    keeps the wish to stop in a module.
    """

    def __init__(self, *, concurrency: int = VISIT_THREADS, queues: tuple[str, ...] = LIVE_QUEUES) -> None:
        self._concurrency = concurrency
        self.queues = queues
        self.name = f"embedded-{uuid.uuid4().hex[:8]}@localhost"
        self._ready = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        app.finalize()
        app.set_default()
        state.should_stop = None
        # A task leaves the thread to the next one, and with it nothing that it held of the database.
        task_postrun.connect(_on_task_finished)
        controller = _ReportingController(
            self._ready,
            app=app,
            hostname=self.name,
            pool="threads",
            concurrency=self._concurrency,
            queues=",".join(self.queues),
            without_gossip=True,
            without_mingle=True,
            without_heartbeat=True,
        )
        self._thread = threading.Thread(target=self._run, args=(controller,), name="worker", daemon=True)
        self._thread.start()
        if not self._ready.wait(START_SECONDS) or not self._thread.is_alive():
            self._stop()
            raise WorkerError("The Celery worker did not start.")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._stop():
            raise WorkerError(f"The Celery worker did not stop within {STOP_SECONDS} seconds.") from error

    def _run(self, controller: WorkController) -> None:
        try:
            controller.start()
        finally:
            self._ready.set()

    def _stop(self) -> bool:
        """Whether it ended: asked to, it ends what it runs and takes nothing more."""
        assert self._thread is not None
        stop.request()
        try:
            return self._end()
        finally:
            stop.withdraw()

    def _end(self) -> bool:
        assert self._thread is not None
        # One wish at a time: a second one would reach it while it stops, and cut that short.
        with suppress(OperationalError, OSError):
            app.control.shutdown(destination=[self.name])
            self._thread.join(MESSAGE_SECONDS)
        if self._thread.is_alive():
            state.should_stop = EXIT_OK
            self._thread.join(STOP_SECONDS)
        task_postrun.disconnect(_on_task_finished)
        if self._thread.is_alive():
            return False
        lanes.close()
        state.should_stop = None
        return True
