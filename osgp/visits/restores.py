"""Notices that the database was restored, and begins a new generation of counters (devices/generations.py).

On PostgreSQL every worker compares the mark of the database with the stored one in each lane, on each new
connection before anything else: a restore or a failover breaks connections. On SQLite the mark is compared
when the process starts, and renewed every minute and at its end.
"""

import logging
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection, transaction

from osgp.audit.keeping import record
from osgp.audit.models import AuditEvent
from osgp.devices import database_marks, generations, mark_file
from osgp.processes.database import lanes

logger = logging.getLogger(__name__)

PLATFORM = "platform"
"""Who noticed it, if nobody said so."""


def start_watch() -> None:
    """Call it when a process starts that reserves invocation counters, before it does."""
    if connection.vendor == "postgresql":
        lanes.inspect = check
    elif mark_file.is_used():
        renew_mark()


@contextmanager
def watching() -> Iterator[None]:
    """For a process that visits meters within this block, and leaves no lane at work behind."""
    start_watch()
    try:
        yield
    finally:
        lanes.inspect = None
        if mark_file.is_used():
            renew_mark()


def check() -> None:
    """PostgreSQL: begin a new generation if the database is not the one that was seen last.

    The first database that is seen is not a restored one: there was a new installation or an upgrade. Outside
    of transactions only.
    """
    seen, mark = database_marks.read()
    if seen == mark:
        return
    if not seen:
        generations.remember(mark, seen)
        return
    with transaction.atomic():
        number = _begin(mark, seen, PLATFORM, {"before": seen, "now": mark})
    if number is not None:
        _warn(number)


def renew_mark() -> None:
    """SQLite: renew the mark in database and file; begin a new generation first if they do not agree.

    Never fails for the file. It is written within transactions only: SQLite has one of them at a time.
    """
    number = None
    with transaction.atomic():
        seen, known = generations.read_mark(), mark_file.read()
        is_restored = seen not in known and bool(seen or known)
        mark = secrets.token_hex(16)
        # Whichever of both is in the database after a crash; never that of a restored database.
        is_written = _write_file({mark, *(known if is_restored else {seen})})
        if not is_written:
            mark = min(known, default="")  # Otherwise every start would be one after a restore.
        if is_restored:
            number = _begin(mark, seen, PLATFORM, {})
        else:
            generations.remember(mark, seen)
    if is_written:
        with transaction.atomic():
            _write_file({generations.read_mark()})
    if number is not None:
        _warn(number)


def _write_file(marks: set[str]) -> bool:
    try:
        mark_file.write(marks)
    except OSError as error:
        logger.warning("If the database is restored, this might not be noticed: %s", error)
        return False
    return True


def mark_restored(actor: str, reason: str) -> int:
    """Begin a new generation because somebody says that the database was restored; return its number."""
    details = {"reason": reason} if reason else {}
    with transaction.atomic():
        number = None
        while number is None:  # Another process notices it by itself just now.
            seen = generations.read_mark()
            number = _begin(seen, seen, actor, details)
    return number


def _begin(mark: str, seen: str, actor: str, details: dict[str, Any]) -> int | None:
    number = generations.begin(mark, seen)
    if number is not None:
        details = {"generation": number, **details}
        record(AuditEvent.RESTORED, organisation="", actor=actor, details=details)
    return number


def _warn(number: int) -> None:
    logger.warning(
        "The database was restored, or a standby took over: invocation counters are asked from meters again, "
        "and begin higher (generation %s).",
        number,
    )
