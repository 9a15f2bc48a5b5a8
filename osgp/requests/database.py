"""Database access of visits, which hold no connection while they wait for a meter.

Django keeps a connection per thread, and a greenlet counts as one: a worker with a thousand visits in flight
would open a thousand connections. So visits do not touch the database themselves. They hand their few
statements to a handful of *lanes*, threads (greenlets under gevent) that keep a connection each, and wait.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from django.conf import settings
from django.db import connection

P = ParamSpec("P")
T = TypeVar("T")


class Lanes:
    """The lanes of a process, opened when first used."""

    def __init__(self) -> None:
        self._executor: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()

    def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call ``function`` in a lane, where it may use the ORM; returns or raises what it does."""
        with self._lock:
            if self._executor is None:
                self._executor = ThreadPoolExecutor(settings.OSGP["DATABASE_LANES"], "database-lane")
            future: Future[T] = self._executor.submit(
                lambda: _with_usable_connection(function, *args, **kwargs)
            )
        return future.result()

    def close(self) -> None:
        """Let the lanes finish and close their connections; the next use opens new ones."""
        with self._lock:
            executor, self._executor = self._executor, None
        if executor is None:
            return
        # As many jobs as lanes, each held back until all have begun: one for every lane.
        count = len(executor._threads)
        together = threading.Barrier(count + 1)
        for _ in range(count):
            executor.submit(_close_connection, together)
        together.wait()
        executor.shutdown()


def _with_usable_connection(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    # A connection that the server closed meanwhile is noticed by the error that it gave, and replaced here.
    connection.close_if_unusable_or_obsolete()
    return function(*args, **kwargs)


def _close_connection(together: threading.Barrier) -> None:
    connection.close()
    together.wait()


lanes = Lanes()


def give_back_connection() -> None:
    """Close this thread's own connection while it waits for something that takes long."""
    if not connection.in_atomic_block:
        connection.close()
