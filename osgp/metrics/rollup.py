"""Counting completed rows, once: from requests and meter sessions into counters that outlive them, and from
requests into the outcomes of each hour.

Counting adds nothing to the cost of finishing a request. Dispatchers call :func:`advance` now and then; it
counts the rows that were completed since, a slice at a time, and moves a cursor, in one transaction. The
cursor's row is locked meanwhile, so that two processes never count the same rows. Only rows before the
horizon (horizon.py) are counted, so that none is missed because it was committed late. Rows are deleted only
after they have been counted: retention stays behind the cursors (:func:`read_counted_until`), and other
callers first count what the cursors have not reached (:func:`count_before_deletion`).

Hours have a cursor of their own, which began at the oldest request: a dispatcher of a former release, which
does not know of hours, moves that of the counters only.
"""

import json
from collections import Counter as Tally
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db import connection, models, transaction
from django.db.models import QuerySet

from osgp.metrics import families, hours, snapshot, tallies
from osgp.metrics.exposition import Family
from osgp.metrics.horizon import find_horizon, make_comparable
from osgp.metrics.models import Counter, Cursor
from osgp.metrics.tallies import CounterKey
from osgp.requests.models import MeterSession, Request

SLICE = 5000
"""Rows counted in one transaction: tens of milliseconds."""
LIMIT = 10_000
"""Rows counted in one call: a tenth of a second, which a dispatcher can spare."""
BEGIN = datetime(1970, 1, 1, microsecond=1, tzinfo=UTC)


@dataclass(frozen=True)
class Stream:
    """A table whose rows are counted by their time of completion."""

    name: str
    model: type[models.Model]
    completed: str
    add: Callable[[QuerySet[Any]], int]
    """Adds rows to what is counted of them; returns how many there were."""

    def filter_rows(self, **conditions: Any) -> QuerySet[Any]:
        """Return completed rows; conditions such as ``lte`` apply to the time of completion."""
        filters = {f"{self.completed}__{name}": value for name, value in conditions.items()}
        return self.model._default_manager.order_by().filter(**filters)

    @transaction.atomic
    def advance(self, limit: int) -> int:
        """Count a slice of about ``limit`` rows; returns how many. 0 also if another process is counting."""
        cursor = _lock_cursor(self.name)
        if cursor is None:
            return 0
        until = find_horizon(self.model)
        if until <= cursor.counted_until:
            return 0
        moments = self.filter_rows(gt=cursor.counted_until, lte=until).order_by(self.completed)
        last = moments.values_list(self.completed, flat=True)[limit - 1 : limit].first()
        edge = make_comparable(last or until)
        # All rows of the last moment belong to the slice: one statement may have completed thousands.
        counted = self.add(self.filter_rows(gt=cursor.counted_until, lte=edge))
        Cursor.objects.filter(pk=cursor.pk).update(counted_until=edge)
        return counted


def _count_requests(rows: QuerySet[Any]) -> int:
    return _add(tallies.tally_requests(rows), families.REQUESTS_COMPLETED)


def _count_sessions(rows: QuerySet[Any]) -> int:
    return _add(tallies.tally_sessions(rows), families.SESSIONS_ENDED)


REQUESTS = Stream("requests", Request, "completed_at", _count_requests)
SESSIONS = Stream("sessions", MeterSession, "closed_at", _count_sessions)
HOURS = Stream("hours", Request, "completed_at", hours.add)
STREAMS = (REQUESTS, SESSIONS, HOURS)


def advance(limit: int = LIMIT) -> int:
    """Count about ``limit`` rows that were completed since, and refresh the snapshot if that is due.

    Returns how many rows were counted; less than ``limit`` means that there are no more yet. Requests are
    counted into their hours besides, up to ``limit`` of them.

    Any number of processes may call it, at any rate.
    """
    counted = _advance(REQUESTS, limit)
    counted += _advance(SESSIONS, limit - counted)
    _advance(HOURS, limit)
    snapshot.refresh()
    return counted


def _advance(stream: Stream, limit: int) -> int:
    """Count slices of about ``limit`` rows in all; returns how many."""
    counted, number = 0, SLICE
    wanted = min(SLICE, limit)
    while number >= wanted and counted < limit:
        number = stream.advance(wanted)
        counted += number
    return counted


def read_counted_until(*streams: Stream) -> datetime:
    """Return the moment up to which all ``streams`` have been counted: older rows may be deleted."""
    names = [stream.name for stream in streams]
    moments = Cursor.objects.filter(name__in=names).values_list("counted_until", flat=True)
    return min(moments) if len(moments) == len(names) else BEGIN


def count_before_deletion(request_ids: Collection[int]) -> None:
    """Count completed requests that a cursor has not reached, in the transaction that deletes them."""
    for stream in (REQUESTS, HOURS):
        _create_cursor(stream.name)
        cursor = Cursor.objects.select_for_update().get(name=stream.name)
        stream.add(stream.filter_rows(gt=cursor.counted_until).filter(pk__in=request_ids))


def _lock_cursor(name: str) -> Cursor | None:
    """Return the locked cursor, made if it does not exist. None: another process has it."""
    free = Cursor.objects.filter(name=name).select_for_update(skip_locked=True)
    cursor = free.first()
    if cursor is None:
        _create_cursor(name)
        cursor = free.first()
    return cursor


def _create_cursor(name: str) -> None:
    Cursor.objects.bulk_create([Cursor(name=name, counted_until=BEGIN)], ignore_conflicts=True)


_ADD = f"""
    INSERT INTO {Counter._meta.db_table} (name, labels, value) VALUES (%s, %s, %s)
    ON CONFLICT (name, labels) DO UPDATE SET value = {Counter._meta.db_table}.value + EXCLUDED.value
"""  # noqa: S608 (table names)


def _add(tally: Tally[CounterKey], number_of_rows: Family) -> int:
    """Add to the counters; returns the sum of those of ``number_of_rows``."""
    rows = [(counted.name, json.dumps(dict(counted.labels)), number) for counted, number in tally.items()]
    with connection.cursor() as cursor:
        cursor.executemany(_ADD, rows)
    return sum(number for counted, number in tally.items() if counted.name == number_of_rows.name)
