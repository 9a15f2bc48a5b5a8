"""Workers that die anywhere in a visit: before any statement, commit or octet to a meter."""

import threading
from typing import Any

import pytest
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

from osgp.protocol_dlms.transport.stream import Stream
from osgp.visits.leases import keeper


class Death(BaseException):
    """Nothing catches it, as nothing catches SIGKILL."""


class Deaths:
    """Counts the steps of visits by which anything changes outside of the worker, and kills it before one.

    After a step is before the next one: what the worker learns in between dies with it. From its death on, it
    cannot do any further step, whatever its ``finally`` blocks try.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.steps = 0
        self.has_died = False
        self._last: float = float("inf")
        execute, commit, send = CursorWrapper.execute, BaseDatabaseWrapper.commit, Stream.send

        def die_or_execute(cursor: CursorWrapper, *args: Any) -> Any:
            self._pass_in_lane(cursor.db)
            return execute(cursor, *args)

        def die_or_commit(database: BaseDatabaseWrapper) -> None:
            self._pass_in_lane(database)
            commit(database)

        def die_or_send(stream: Stream, octets: bytes) -> None:
            self._pass()
            send(stream, octets)

        # Leases are extended at times of their own: that is none of the steps.
        monkeypatch.setattr(keeper, "_could_extend", lambda leases: True)
        monkeypatch.setattr(CursorWrapper, "execute", die_or_execute)
        monkeypatch.setattr(BaseDatabaseWrapper, "commit", die_or_commit)
        monkeypatch.setattr(Stream, "send", die_or_send)

    def die_before(self, step: float) -> None:
        """From now on, before the step with this number (from 1); infinity: never."""
        self.steps, self.has_died, self._last = 0, False, step

    def _pass(self) -> None:
        self.steps += 1
        if self.steps >= self._last:
            self.has_died = True
            raise Death

    def _pass_in_lane(self, database: BaseDatabaseWrapper) -> None:
        if not threading.current_thread().name.startswith("database-lane"):
            return
        try:
            self._pass()
        except Death:
            # As the server does when nobody is at the other end any more.
            if database.connection is not None:
                database.connection.rollback()
            raise
