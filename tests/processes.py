"""The platform's processes for tests: threads on the in-process broker, real processes on RabbitMQ.

What a process of its own adds (gevent, signals, sudden death) can only be had where broker and database are
shared with it.
"""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection

from osgp.embedded.worker import WorkerThread
from osgp.requests.dispatcher import Dispatcher
from osgp.sql import Statement

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 60.0
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


class Process:
    """One command of manage.py on the test's database and broker."""

    def __init__(self, *command: str, **environment: str) -> None:
        database = connection.settings_dict
        password = f":{database['PASSWORD']}" if database["PASSWORD"] else ""
        address = f"{database['USER']}{password}@{database['HOST']}:{database['PORT'] or 5432}"
        self._process = subprocess.Popen(
            [sys.executable, "manage.py", *command],
            cwd=ROOT,
            env={
                **os.environ,
                "DATABASE_URL": f"postgres://{address}/{database['NAME']}",
                "BROKER_URL": settings.CELERY_BROKER_URL,
                "OSGP_LOCAL_SECRETS": "1",
                "OSGP_VAR_DIR": str(settings.VAR_DIR),
                "LOG_LEVEL": "WARNING",
                **environment,
            },
            stdout=subprocess.DEVNULL,
        )

    def kill(self) -> None:
        """kill -9."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        self._process.terminate()
        return self._process.wait(PATIENCE)

    def __enter__(self) -> "Process":
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self.kill()


def worker(**environment: str) -> Process:
    """A gevent worker."""
    return Process("worker", "--concurrency", "50", **environment)


def dispatcher(**environment: str) -> Process:
    return Process("dispatch", **environment)


@contextmanager
def running() -> Iterator[None]:
    """A dispatcher and a worker, in whatever form the test's database and broker allow."""
    with ExitStack() as stack:
        if are_shared():
            stack.enter_context(dispatcher())
            stack.enter_context(worker())
        else:
            stop = threading.Event()
            thread = threading.Thread(target=Dispatcher().run, args=(stop,))
            stack.enter_context(WorkerThread())
            thread.start()
            stack.callback(thread.join)
            stack.callback(stop.set)
        yield


def disconnect_others() -> None:
    """End what killed processes left behind on the server, so that the test's database can be emptied."""
    if connection.vendor == "postgresql":
        Statement(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        ).rows()
