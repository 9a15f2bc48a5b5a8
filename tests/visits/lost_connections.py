"""Connections to the database that break while lanes use them, at any point of what a visit does there."""

import threading
from collections.abc import Callable
from enum import Enum
from typing import Any

import pytest
from django.db import OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

from osgp.visits.leases import keeper


class Break(Enum):
    """When a connection breaks: before a statement is carried out, after that, after a COMMIT."""

    BEFORE = "before"
    AFTER = "after"
    COMMITTED = "committed"


class Connections:
    """Counts what lanes ask of the database, and breaks the connection at one of these points, or at several.

    What was carried out outside of a transaction, or committed, stays so: only its answer is lost.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.points = dict.fromkeys(Break, 0)
        """How often the chance for each kind of break was there."""
        self.broken = 0
        """How often one was taken."""
        self._breaks: Callable[[Break, int], bool] = lambda kind, number: False
        execute, commit = CursorWrapper.execute, BaseDatabaseWrapper.commit

        def execute_or_break(cursor: CursorWrapper, *args: Any) -> Any:
            self._pass(Break.BEFORE, cursor.db)
            result = execute(cursor, *args)
            self._pass(Break.AFTER, cursor.db)
            return result

        def commit_or_break(database: BaseDatabaseWrapper) -> None:
            commit(database)
            self._pass(Break.COMMITTED, database)

        # Leases are extended at times of their own, also amid a visit: that is none of its points.
        monkeypatch.setattr(keeper, "_could_extend", lambda leases: True)
        monkeypatch.setattr(CursorWrapper, "execute", execute_or_break)
        monkeypatch.setattr(BaseDatabaseWrapper, "commit", commit_or_break)

    def break_at(self, kind: Break, first: int, times: int = 1) -> None:
        """From now on, so many times in a row, beginning with the ``first`` chance (from 1)."""
        self.break_if(lambda at, number: at is kind and first <= number < first + times)

    def break_if(self, breaks: Callable[[Break, int], bool]) -> None:
        """From now on, whenever this is true of a kind of break and the number of the chance (from 1)."""
        self.points = dict.fromkeys(Break, 0)
        self.broken = 0
        self._breaks = breaks

    def _pass(self, kind: Break, database: BaseDatabaseWrapper) -> None:
        if not threading.current_thread().name.startswith("database-lane"):
            return
        self.points[kind] += 1
        if self._breaks(kind, self.points[kind]):
            self.broken += 1
            assert database.connection is not None
            if database.vendor == "postgresql":
                database.connection.close()
                database.errors_occurred = True
            else:
                # There Django takes it for granted that a connection does not break: have it replaced.
                database.connection.rollback()
                database.close_at = 0
            raise OperationalError("server closed the connection unexpectedly\n\tThis probably means…")
