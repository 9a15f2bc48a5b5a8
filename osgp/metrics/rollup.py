"""Counting completed rows, once: from requests and meter sessions into counters that outlive them.

Counting adds nothing to the cost of finishing a request. Dispatchers call :func:`advance` now and then; it
counts the rows that were completed since, a slice at a time, and moves a cursor, in one transaction. The
cursor's row is locked meanwhile, so that two processes never count the same rows. Only rows before the
horizon (horizon.py) are counted, so that none is missed because it was committed late. Rows are deleted only
after they have been counted: retention stays behind the cursor (:func:`read_counted_until`), and other
callers first count what the cursor has not reached (:func:`count_before_deletion`).
"""

import json
from collections import Counter as Tally
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db import connection, models, transaction
from django.db.models import QuerySet

from osgp.metrics import families, snapshot, tallies
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
    tally: Callable[[QuerySet[Any]], Tally[CounterKey]]
    number: Family
    """The family whose samples add up to the number of rows."""

    def filter_rows(self, **conditions: Any) -> QuerySet[Any]:
        """Return completed rows; conditions such as ``lte`` apply to the time of completion."""
        filters = {f"{self.completed}__{name}": value for name, value in conditions.items()}
        return self.model._default_manager.order_by().filter(**filters)

    def add(self, rows: QuerySet[Any]) -> int:
        """Add rows to the counters; returns how many."""
        tally = self.tally(rows)
        _add(tally)
        return sum(number for counted, number in tally.items() if counted.name == self.number.name)

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


REQUESTS = Stream("requests", Request, "completed_at", tallies.tally_requests, families.REQUESTS_COMPLETED)
SESSIONS = Stream("sessions", MeterSession, "closed_at", tallies.tally_sessions, families.SESSIONS_ENDED)
STREAMS = (REQUESTS, SESSIONS)


def advance(limit: int = LIMIT) -> int:
    """Count about ``limit`` rows that were completed since, and refresh the snapshot if that is due.

    Returns how many rows were counted; less than ``limit`` means that there are no more yet.

    Any number of processes may call it, at any rate.
    """
    counted = 0
    for stream in STREAMS:
        number = wanted = min(SLICE, limit)
        while number >= wanted and counted < limit:
            number = stream.advance(wanted)
            counted += number
    snapshot.refresh()
    return counted


def read_counted_until(stream: Stream) -> datetime:
    """Return the moment up to which completed rows have been counted and may be deleted."""
    moments = Cursor.objects.filter(name=stream.name).values_list("counted_until", flat=True)
    return moments.first() or BEGIN


def count_before_deletion(request_ids: Collection[int]) -> None:
    """Count completed requests that the cursor has not reached, in the transaction that deletes them."""
    _create_cursor(REQUESTS.name)
    cursor = Cursor.objects.select_for_update().get(name=REQUESTS.name)
    REQUESTS.add(REQUESTS.filter_rows(gt=cursor.counted_until).filter(pk__in=request_ids))


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


def _add(tally: Tally[CounterKey]) -> None:
    rows = [(counted.name, json.dumps(dict(counted.labels)), number) for counted, number in tally.items()]
    with connection.cursor() as cursor:
        cursor.executemany(_ADD, rows)
