"""Database access of visits, which hold no connection while they wait for a meter.

Django keeps a connection per thread, and a greenlet counts as one: a worker with a thousand visits in flight
would open a thousand connections. So visits do not touch the database themselves. They hand their few
statements to a handful of *lanes*, threads (greenlets under gevent) that keep a connection each, and wait.
"""

import heapq
import itertools
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, Generic, ParamSpec, TypeVar

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, InterfaceError, OperationalError, connection, connections

P = ParamSpec("P")
T = TypeVar("T")

AWAY = (OperationalError, InterfaceError)
"""How Django says that the database cannot be reached, or does not carry on just now."""
AT_ONCE, AT_LAST = -1, 1_000
"""Ranks: of work that goes on already, and of the end of a lane. In between are visits that are to begin."""


class Lanes:
    """The lanes of a process, opened when first used."""

    def __init__(self) -> None:
        self._jobs: list[tuple[int, int, Job[Any]]] = []
        self._numbers = itertools.count()
        self._waiting: SimpleQueue[None] = SimpleQueue()
        """An item for each job, so that lanes can wait for one."""
        self._lanes: list[threading.Thread] = []
        self._lock = threading.Lock()

    def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call ``function`` in a lane, where it may use the ORM; returns or raises what it does."""
        return self._run(AT_ONCE, lambda: function(*args, **kwargs))

    def begin(self, priority: int, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """As ``run``, for what a visit begins with: the most urgent first (9 to 0), and after all that goes
        on already. With more visits than lanes, those in flight end before others join them.
        """
        return self._run(-priority + 9, lambda: function(*args, **kwargs))

    def _run(self, rank: int, function: Callable[[], T]) -> T:
        job = Job(function)
        with self._lock:
            if len(self._lanes) < settings.OSGP["DATABASE_LANES"]:
                self._open()
            self._put(rank, job)
        return job.wait()

    def _put(self, rank: int, job: "Job[Any]") -> None:
        heapq.heappush(self._jobs, (rank, next(self._numbers), job))
        self._waiting.put(None)

    def _open(self) -> None:
        lane = threading.Thread(target=self._work, name="database-lane", daemon=True)
        self._lanes.append(lane)
        lane.start()

    def _work(self) -> None:
        while True:
            self._waiting.get()
            rank, _, job = heapq.heappop(self._jobs)
            if rank == AT_LAST:
                connection.close()
                return
            job.run()
            del job

    def close(self) -> None:
        """Let the lanes finish and close their connections; the next use opens new ones."""
        with self._lock:
            lanes, self._lanes = self._lanes, []
            for _ in lanes:
                self._put(AT_LAST, Job(lambda: None))
        for lane in lanes:
            lane.join()


class Job(Generic[T]):
    """A call, and what came of it."""

    __slots__ = ("_done", "_error", "_function", "_value")

    def __init__(self, function: Callable[[], T]) -> None:
        self._function = function
        self._error: BaseException | None = None
        self._done = threading.Lock()
        self._done.acquire()

    def run(self) -> None:
        """Make the call, in a lane."""
        try:
            # A connection that the server closed meanwhile is noticed by the error that it gave, and replaced
            # here.
            connections[DEFAULT_DB_ALIAS].close_if_unusable_or_obsolete()
            self._value = self._function()
        except BaseException as error:  # noqa: BLE001 (goes to whoever waits for it)
            self._error = error
        self._done.release()

    def wait(self) -> T:
        """Wait for the call; returns or raises what it did."""
        self._done.acquire()
        if self._error is None:
            return self._value
        try:
            raise self._error
        finally:
            del self  # Its traceback refers to this very frame.


lanes = Lanes()


def format_in_one_line(error: Exception) -> str:
    """What the driver says, for the log."""
    return " ".join(str(error).split())


def give_back_connection() -> None:
    """Close this thread's own connection while it waits for something that takes long."""
    if not connection.in_atomic_block:
        connection.close()
