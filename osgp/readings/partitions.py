"""Monthly partitions of the chunks on PostgreSQL; SQLite has one table and needs none of this."""

import threading
from collections.abc import Iterable
from datetime import date
from functools import partial

from django.db import connection, transaction

from osgp.readings.calendar import to_month, to_next_month

PARENT = "readings_chunk"
_LOCK = 0x6F736770_72647073  # "osgprdps": one creator at a time

_known: set[tuple[str, str]] = set()
_known_lock = threading.Lock()


def format_name(month: date) -> str:
    """Return the name of a month's table: ``readings_chunk_2026_11``."""
    return f"{PARENT}_{month:%Y_%m}"


def ensure(days: Iterable[date]) -> None:
    """Make the partitions for chunks that start on these days, unless they exist.

    They are attached, not created in place: that would wait for all readers and writers.
    """
    if connection.vendor != "postgresql":
        return
    database = str(connection.settings_dict["NAME"])
    wanted = {to_month(day) for day in days}
    missing = [month for month in wanted if (database, format_name(month)) not in _known]
    if not missing:
        return
    existing = set(list_tables())
    for month in sorted(missing):
        if format_name(month) not in existing:
            _create(month)
    # Before the commit they may still be rolled back.
    transaction.on_commit(partial(_remember, database, missing))


def _remember(database: str, months: Iterable[date]) -> None:
    with _known_lock:
        _known.update((database, format_name(month)) for month in months)


def forget() -> None:
    """Forget the known partitions; the next use looks them up."""
    with _known_lock:
        _known.clear()


@transaction.atomic
def _create(month: date) -> None:
    table = format_name(month)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [table])
        if cursor.fetchone()[0]:
            return
        cursor.execute(f"CREATE TABLE {table} (LIKE {PARENT} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)")
        cursor.execute(
            f"ALTER TABLE {PARENT} ATTACH PARTITION {table} FOR VALUES FROM (%s) TO (%s)",
            [month, to_next_month(month)],
        )


def list_tables() -> list[str]:
    """Return the existing partitions, oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
            " WHERE i.inhparent = to_regclass(%s) ORDER BY 1",
            [PARENT],
        )
        return [name for (name,) in cursor.fetchall()]


def drop_before(month: date) -> list[str]:
    """Drop the partitions of months before ``month``; returns their names."""
    dropped = []
    for table in list_tables():
        if table >= format_name(month):
            break
        with transaction.atomic(), connection.cursor() as cursor:
            # Give up rather than make everything wait behind a long reader; the next round does it.
            cursor.execute("SET LOCAL lock_timeout = '2s'")
            cursor.execute(f"DROP TABLE IF EXISTS {table}")
        dropped.append(table)
    if dropped:
        forget()
    return dropped
