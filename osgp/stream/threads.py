"""The few threads in which an event loop has its database work done, a connection each."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from osgp.processes.database import replace_lost_connection

P = ParamSpec("P")
T = TypeVar("T")


class DatabaseThreads:
    """Up to ``number`` threads, started on first use. Close them: their connections would stay."""

    def __init__(self, number: int, name: str) -> None:
        self._opened: list[BaseDatabaseWrapper] = []
        self._executor = ThreadPoolExecutor(number, name, initializer=self._open)

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call ``function`` in a thread, where it may use the ORM. Return or raise what it does."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, lambda: _call(function, *args, **kwargs))

    def _open(self) -> None:
        database = connections[DEFAULT_DB_ALIAS]
        # For close(), which is called when no thread uses it any more.
        database.inc_thread_sharing()
        self._opened.append(database)

    def close(self) -> None:
        """Wait for calls in progress, drop those that wait, and close the connections."""
        self._executor.shutdown(cancel_futures=True)
        for database in self._opened:
            database.close()


def _call(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    replace_lost_connection()
    return function(*args, **kwargs)
