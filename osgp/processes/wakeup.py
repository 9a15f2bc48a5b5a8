"""Waking dispatchers when work arrives, before they would check the database again.

A lost wake-up delays a request by the interval of the dispatcher, no more. Between processes PostgreSQL
carries it with NOTIFY, which takes effect when the transaction commits. Within a process an event does, which
is enough for the embedded default on SQLite.
"""

import logging
import selectors
import threading
import time
from types import TracebackType
from typing import Self

import psycopg2
from django.db import connection, transaction

logger = logging.getLogger(__name__)

CHANNEL = "osgp_dispatch"
CONNECT_TIMEOUT = 10
"""Seconds."""
STOP_CHECK = 0.25
"""Seconds between checks of the stop event while waiting."""

_listening: set[threading.Event] = set()
_listening_lock = threading.Lock()


def notify() -> None:
    """Wake dispatchers. Call it within the transaction that stores the work."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_notify(%s, '')", [CHANNEL])
    transaction.on_commit(_wake_this_process)


def _wake_this_process() -> None:
    with _listening_lock:
        for event in _listening:
            event.set()


class Listener:
    """Waits for wake-ups. On PostgreSQL it holds a connection of its own, outside of any pool."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._connection: psycopg2.extensions.connection | None = None
        self._deaf = False

    def __enter__(self) -> Self:
        with _listening_lock:
            _listening.add(self._event)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with _listening_lock:
            _listening.discard(self._event)
        self._hang_up()

    def wait(self, timeout: float, stop: threading.Event | None = None) -> bool:
        """Wait up to ``timeout`` seconds, or until ``stop`` is set. Return whether there may be new work.

        If it cannot connect, it waits as well. After connecting it returns True, because it may have missed
        a wake-up.
        """
        deadline = time.monotonic() + timeout
        while not (stop is not None and stop.is_set()):
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return False
            if self._has_heard(min(remaining, STOP_CHECK)):
                return True
        return False

    def _has_heard(self, timeout: float) -> bool:
        if connection.vendor != "postgresql":
            heard = self._event.wait(timeout)
            self._event.clear()
            return heard
        try:
            if self._connection is None:
                self._connection = _listen()
                self._deaf = False
                return True
            return _wait_for_notification(self._connection, timeout)
        except psycopg2.Error as error:
            if not self._deaf:
                logger.warning("cannot listen for new work, polling instead: %s", error)
            self._deaf = True
            self._hang_up()
            self._event.wait(timeout)
            return False

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _listen() -> psycopg2.extensions.connection:
    options = {**connection.get_connection_params(), "connect_timeout": CONNECT_TIMEOUT}
    listening: psycopg2.extensions.connection = psycopg2.connect(**options)
    try:
        listening.set_session(autocommit=True)
        with listening.cursor() as cursor:
            cursor.execute(f"LISTEN {CHANNEL}")
    except BaseException:
        listening.close()
        raise
    return listening


def _wait_for_notification(listening: psycopg2.extensions.connection, timeout: float) -> bool:
    with selectors.DefaultSelector() as selector:
        selector.register(listening, selectors.EVENT_READ)
        if not selector.select(timeout):
            return False
    listening.poll()
    heard = bool(listening.notifies)
    listening.notifies.clear()
    return heard
