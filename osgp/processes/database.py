"""Database lanes: visits hold no connection while they wait for a meter.

Django keeps a connection per thread, and a greenlet counts as a thread: a worker with a thousand visits would
open a thousand connections. So visits do not use the database themselves. They hand their few statements to a
handful of *lanes*, threads (greenlets under gevent) with a connection each, and wait.
"""

import heapq
import itertools
import select
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, Generic, ParamSpec, TypeVar

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, InterfaceError, OperationalError, connection, connections

P = ParamSpec("P")
T = TypeVar("T")

AWAY = (OperationalError, InterfaceError)
"""Errors by which Django reports that the database is unreachable or unable to go on."""
AT_ONCE, AT_LAST = -1, 1_000
"""Ranks of calls of running visits, and of the end of a lane. Calls that start a visit rank in between."""
INSPECT_EVERY = 1.0
"""Seconds. A pooler may go on with another server behind a connection that stays."""


class Lanes:
    """The lanes of a process, opened on first use."""

    def __init__(self) -> None:
        self._jobs: list[tuple[int, int, Job[Any]]] = []
        self._numbers = itertools.count()
        self._waiting: SimpleQueue[None] = SimpleQueue()
        """One item per job, so that lanes can wait for a job."""
        self._lanes: list[threading.Thread] = []
        self._lock = threading.Lock()
        self.inspect: Callable[[], object] | None = None
        """Called in a lane before anything else on a new connection, and again every INSPECT_EVERY seconds
        while there are calls. If it raises an error, so does the call."""

    def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call ``function`` in a lane, where it may use the ORM. Return or raise what it does."""
        return self._run(AT_ONCE, lambda: function(*args, **kwargs))

    def begin(self, priority: int, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """As ``run``, for the first call of a visit: it waits for the calls of running visits.

        Higher ``priority`` (0 to 9) goes first. So running visits end before new ones join them.
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
        prepare = Preparation(self)
        while True:
            self._waiting.get()
            rank, _, job = heapq.heappop(self._jobs)
            if rank == AT_LAST:
                connection.close()
                return
            job.run(prepare)
            del job

    def close(self) -> None:
        """Let the lanes finish, and close their connections. The next use opens new lanes."""
        with self._lock:
            lanes, self._lanes = self._lanes, []
            for _ in lanes:
                self._put(AT_LAST, Job(lambda: None))
        for lane in lanes:
            lane.join()


class Preparation:
    """Sees to the connection of one lane before each call."""

    def __init__(self, of: Lanes) -> None:
        self._lanes = of
        self._inspected: object = None
        self._inspected_at = 0.0

    def __call__(self) -> None:
        """Replace a connection that failed before, as when the server closed it; inspect a new one."""
        database = connections[DEFAULT_DB_ALIAS]
        database.close_if_unusable_or_obsolete()
        if self._lanes.inspect is None:
            return
        database.ensure_connection()
        now = time.monotonic()
        if database.connection is self._inspected and now < self._inspected_at + INSPECT_EVERY:
            return
        self._lanes.inspect()
        self._inspected, self._inspected_at = database.connection, now


class Job(Generic[T]):
    """A call and its value or error."""

    __slots__ = ("_done", "_error", "_function", "_value")

    def __init__(self, function: Callable[[], T]) -> None:
        self._function = function
        self._error: BaseException | None = None
        self._done = threading.Lock()
        self._done.acquire()

    def run(self, prepare: Callable[[], None]) -> None:
        """Make the call, in a lane, after ``prepare``."""
        try:
            prepare()
            self._value = self._function()
        except BaseException as error:  # noqa: BLE001 (raised in the thread that waits)
            self._error = error
        self._done.release()

    def wait(self) -> T:
        """Wait for the call. Return or raise what it did."""
        self._done.acquire()
        if self._error is None:
            return self._value
        try:
            raise self._error
        finally:
            del self  # Its traceback refers to this very frame.


lanes = Lanes()


def replace_lost_connection() -> None:
    """Close the connection of this thread if it has failed, is too old, or the server has ended it meanwhile.

    The next statement then opens another one.
    """
    database = connections[DEFAULT_DB_ALIAS]
    if not database.in_atomic_block:
        database.close_if_unusable_or_obsolete()
    close_ended_connection()


def close_ended_connection(**_: Any) -> None:
    """Close the connection of this thread if the server has ended it. Before a web call Django does the rest.

    A server that ends a connection says so, or at least hangs up: a look at the socket shows it and costs no
    round trip, unlike Django's CONN_HEALTH_CHECKS. Whatever else the server has sent unasked, such as a
    notice, is read by the statement that tries the connection.

    It takes what signals of Django are sent with.
    """
    database = connections[DEFAULT_DB_ALIAS]
    held: Any = database.connection
    if held is None or database.in_atomic_block or database.vendor != "postgresql":
        return
    if held.closed or (_has_something_to_read(held.fileno()) and not database.is_usable()):
        database.close()


def _has_something_to_read(descriptor: int) -> bool:
    """Whether a read would return at once, be it with octets, the end or an error."""
    look = select.poll()
    look.register(descriptor, select.POLLIN)
    return bool(look.poll(0))


def format_in_one_line(error: Exception) -> str:
    """Return the text of a database error in one line, for the log."""
    return " ".join(str(error).split())


def give_back_connection() -> None:
    """Close the connection of this thread before a long wait, unless it is in a transaction."""
    if not connection.in_atomic_block:
        connection.close()
