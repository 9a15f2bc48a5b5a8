"""Sealing: entries that were committed since get a seal, by one process at a time.

Ids are given when entries are inserted, and seen when they are committed: an entry may come below ids that
are sealed already. So a seal tells which ids below its ``top`` are still missing, and the next one looks for
them again, until the transactions that may have taken them have ended. A missing id whose transaction was
rolled back is then forgotten.
"""

import logging
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction

from osgp.audit.chain import (
    COLUMNS,
    GENESIS,
    MARK,
    TABLE,
    Line,
    compute_hash,
    load_keys,
    read_line,
    write_runs,
)
from osgp.audit.models import AuditSeal
from osgp.sql import Statement, read_now

logger = logging.getLogger(__name__)

MOST = 1000
"""Entries of one seal."""
MISSED_FOR = timedelta(seconds=5)
"""How long an id is looked for at least. PostgreSQL gives an id away a moment before the transaction has a
number of its own."""
_LOCK = 0x6F7367705F617564

Gap = tuple[int, int, int, int]
"""First and last id, the number below which their transactions have theirs, and when they were first missed,
in milliseconds since 1970."""

_NEWS = Statement(
    f"SELECT {COLUMNS} FROM {TABLE} WHERE id > %s ORDER BY id LIMIT %s",  # noqa: S608 (names)
)
_FOUND = Statement(
    f"SELECT {COLUMNS} FROM {TABLE} WHERE id BETWEEN %s AND %s ORDER BY id",  # noqa: S608 (names)
)
_LOOK = Statement(f"SELECT EXISTS (SELECT 1 FROM {TABLE} WHERE id > %s)")  # noqa: S608 (names)
_LOOK_BELOW = Statement(
    f"SELECT EXISTS (SELECT 1 FROM {TABLE} WHERE id BETWEEN %s AND %s)"  # noqa: S608 (names)
)


def find_head() -> AuditSeal | None:
    """Return the last seal; None if there is none yet."""
    return AuditSeal.objects.order_by("-position").first()


def has_unsealed() -> bool:
    """Return whether there are committed entries without a seal."""
    head = find_head()
    if _LOOK.fetch_rows(head.top if head else 0)[0][0]:
        return True
    gaps = read_gaps(head)
    return any(_LOOK_BELOW.fetch_rows(first, last)[0][0] for first, last, _, _ in gaps)


def read_gaps(head: AuditSeal | None) -> list[Gap]:
    """Return the ids that were missing when the last seal was made."""
    return [(first, last, horizon, missed) for first, last, horizon, missed in head.missing] if head else []


def seal_all() -> list[AuditSeal]:
    """Seal what there is; return the new seals. None of them if another process is at it."""
    seals = []
    while (seal := seal_some()) is not None:
        seals.append(seal)
        if seal.count < MOST:
            break
    return seals


@transaction.atomic
def seal_some() -> AuditSeal | None:
    """Make one seal, of MOST entries at most; None if there is nothing to seal, or another process seals.

    Raises chain.KeyProblem.
    """
    if not _lock():
        return None
    keys = load_keys()
    head = find_head()
    # In this order: whoever has ended by ``oldest`` is seen by the next statements, and whoever has taken an
    # id that they do not see has a number below ``own``.
    oldest = _read_oldest_transaction()
    lines = _find_late(read_gaps(head))
    new = [read_line(row) for row in _NEWS.fetch_rows(head.top if head else 0, MOST)]
    lines += new
    if not lines:
        return None
    own = _take_number()
    now = read_now()
    top = max(head.top if head else 0, new[-1].id if new else 0)
    missing = _list_missing(head, lines, oldest, own, now)
    seal = AuditSeal(
        position=head.position + 1 if head else 1,
        sealed_at=now,
        count=len(lines),
        runs=write_runs(line.id for line in lines),
        marks=b"".join(line.digest[:MARK] for line in lines),
        top=top,
        missing=missing,
        key_id=next(iter(keys), ""),
    )
    digests = [line.digest for line in lines]
    seal.hash = compute_hash(seal, head.hash if head else GENESIS, digests, keys)
    seal.save(force_insert=True)
    return seal


def _find_late(gaps: list[Gap]) -> list[Line]:
    found = [row for first, last, _, _ in gaps for row in _FOUND.fetch_rows(first, last)]
    return sorted((read_line(row) for row in found), key=lambda line: line.id)


def _list_missing(
    head: AuditSeal | None, lines: list[Line], oldest: int, own: int, now: datetime
) -> list[list[Any]]:
    """Return the ids that may still come: those of before, and those between the ids that were found now."""
    missing: list[list[Any]] = []
    found = {line.id for line in lines}
    for first, last, horizon, missed in read_gaps(head):
        is_over = horizon <= oldest and missed <= _count_milliseconds(now - MISSED_FOR)
        if not is_over:
            missing += [[a, b, horizon, missed] for a, b in _cut(first, last, found)]
    # SQLite has one writer at a time: what is not there by now never comes.
    if connection.vendor == "postgresql":
        top = before = head.top if head else 0
        for number in sorted(number for number in found if number > top):
            if number > before + 1:
                missing.append([before + 1, number - 1, own, _count_milliseconds(now)])
            before = number
    return missing


def _cut(first: int, last: int, found: set[int]) -> list[tuple[int, int]]:
    """Return the parts of a gap without the ids that were found in it."""
    parts = []
    for number in sorted(number for number in found if first <= number <= last):
        if number > first:
            parts.append((first, number - 1))
        first = number + 1
    if first <= last:
        parts.append((first, last))
    return parts


def _lock() -> bool:
    """Keep others from sealing until the end of the transaction; SQLite has one writer at a time anyway."""
    if connection.vendor != "postgresql":
        return True
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK])
        return bool(cursor.fetchone()[0])


def _read_oldest_transaction() -> int:
    """Return a number below which all transactions have ended."""
    return _read_number("pg_snapshot_xmin(pg_current_snapshot())")


def _take_number() -> int:
    """Return the number of this transaction: all that have one already have a lower one.

    The upper edge of a snapshot would not do: transactions that have begun may have higher numbers.
    """
    return _read_number("pg_current_xact_id()")


def _read_number(expression: str) -> int:
    if connection.vendor != "postgresql":
        return 0
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {expression}::text")
        return int(cursor.fetchone()[0])


def _count_milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
