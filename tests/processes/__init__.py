"""The platform's processes for tests: threads on the in-process broker, real processes on RabbitMQ.

What a process of its own adds (gevent, signals, sudden death) can only be had where broker and database are
shared with it.
"""

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.db import connection

from osgp.commands.management.commands.worker import make_celery_command
from osgp.embedded.worker import WorkerThread
from osgp.sql import Statement
from osgp.visits.dispatcher import Dispatcher
from tests.processes import templates

ROOT = Path(__file__).resolve().parent.parent.parent
PATIENCE = 180.0
"""Seconds after which a test gives up waiting for what should have happened."""


def are_shared() -> bool:
    """Whether other processes reach the database and the broker of this test."""
    return connection.vendor == "postgresql" and not settings.CELERY_BROKER_URL.startswith("memory:")


def eventually(condition: Callable[[], Any], what: str, patience: float = PATIENCE) -> Any:
    """Wait for something to become true; returns it. Not a measurement: the limit is far away."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.05)
    raise AssertionError(f"in vain for {patience:.0f} s: {what}")


def is_waited_for() -> bool:
    """Whether somebody waits for the transaction of this thread. SQLite does not tell; nor does it matter
    there, where a writer waits before it looks at anything.
    """
    if connection.vendor != "postgresql":
        return True
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"
        )
        return cursor.fetchone() is not None


def database_url(host: str | None = None, port: int | None = None) -> str:
    """The test's database, at another host and port if they are given."""
    database = connection.settings_dict
    password = f":{quote(database['PASSWORD'], safe='')}" if database["PASSWORD"] else ""
    at = quote(host or database["HOST"] or "", safe="")
    return (
        f"postgres://{database['USER']}{password}@{at}:{port or database['PORT'] or 5432}/{database['NAME']}"
    )


class Process:
    """One command of manage.py on the test's database and broker."""

    program: tuple[str, ...] = ("manage.py",)

    def __init__(self, *command: str, **environment: str) -> None:
        self._process = templates.start(
            [*self.program, *command],
            {
                **{name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"},
                "DATABASE_URL": database_url(),
                "BROKER_URL": settings.CELERY_BROKER_URL,
                "OSGP_LOCAL_SECRETS": "1",
                "OSGP_VAR_DIR": str(settings.VAR_DIR),
                "LOG_LEVEL": "WARNING",
                **environment,
            },
        )

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        """kill -9."""
        self.send(signal.SIGKILL)
        self.wait()

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def terminate(self) -> None:
        """SIGTERM; see :meth:`wait` for what comes of it."""
        self.send(signal.SIGTERM)

    def wait(self) -> int:
        """The exit code."""
        return self._process.wait(PATIENCE)

    def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        self.terminate()
        return self.wait()

    def __enter__(self) -> "Process":
        return self

    def __exit__(self, *_: object) -> None:
        if self.is_alive():
            self.kill()


def embedded_environment() -> dict[str, str]:
    """Ours, for commands that use no database and may so be of any installation."""
    unused = {"DATABASE_URL", "BROKER_URL"}
    ours = {name: value for name, value in os.environ.items() if name not in unused}
    return ours | {"OSGP_EMBEDDED": "1"}


def run_python(program: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run a program in a process of its own, with the platform's code but not with the test's database."""
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=ROOT,
        env=embedded_environment()
        | {"DJANGO_SETTINGS_MODULE": "osgp.settings", "OSGP_VAR_DIR": str(settings.VAR_DIR)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


class WorkerProcess(Process):
    """What `manage.py worker` becomes, without the second that it takes to be manage.py first."""

    program = ()

    def __init__(self, **environment: str) -> None:
        command = make_celery_command(concurrency=50, name=f"worker-{next(_numbers)}", log_level="WARNING")
        super().__init__(*command[1:], **environment)


_numbers = itertools.count(1)


def worker(**environment: str) -> Process:
    """A gevent worker."""
    return WorkerProcess(**environment)


def dispatcher(**environment: str) -> Process:
    return Process("dispatch", **environment)


class CeleryProcess(Process):
    """One command of Celery's own, likewise."""

    program = ("-m", "celery", "--app", "osgp.celery")


def beat(**environment: str) -> Process:
    return CeleryProcess("beat", "--pidfile=", "--loglevel", "WARNING", "--max-interval", "1", **environment)


class Supervised:
    """Context manager: a process that is started again whenever it ends, as systemd or Kubernetes would."""

    def __init__(self, start: Callable[[], Process]) -> None:
        self._start = start
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._supervise, daemon=True)
        self.deaths = 0

    def __enter__(self) -> "Supervised":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._left.set()
        self._thread.join()

    def _supervise(self) -> None:
        while not self._left.is_set():
            with self._start() as process:
                while process.is_alive():
                    if self._left.wait(0.1):
                        return
            self.deaths += 1


@contextmanager
def running(**environment: str) -> Iterator[None]:
    """A dispatcher and a worker, in whatever form the test's database and broker allow.

    ``environment`` is for processes; threads have the settings of the test.
    """
    with ExitStack() as stack:
        if are_shared():
            stack.enter_context(dispatcher(**environment))
            stack.enter_context(worker(**environment))
        else:
            stack.enter_context(dispatcher_thread())
            stack.enter_context(WorkerThread())
        yield


@contextmanager
def dispatcher_thread() -> Iterator[None]:
    """A dispatcher in a thread."""
    stop = threading.Event()
    thread = threading.Thread(target=Dispatcher().run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def disconnect_others() -> None:
    """End what killed processes left behind on the server, so that the test's database can be emptied."""
    if connection.vendor == "postgresql":
        Statement(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        ).fetch_rows()
