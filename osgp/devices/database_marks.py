"""The mark of a PostgreSQL database: what tells it from a copy that was restored or took over.

Parts of it change with a restore into another server (system identifier), a recovery to a point in time or a
failover (timeline), a restore into another database (its oid), and one into the same database (oid of the
table of counters). VACUUM, CLUSTER, pg_repack and restarts change none of them. Any role may read them,
unless somebody has revoked that or the service has no such function: that part is left out then.
"""

import logging
from collections.abc import Collection
from typing import Any

from django.db import NotSupportedError, ProgrammingError, connection

from osgp import platform_time
from osgp.devices import generations
from osgp.devices.models import KeyCounter

logger = logging.getLogger(__name__)

PARTS = {
    "system": "(SELECT system_identifier FROM pg_control_system())",
    # What pg_control_checkpoint() says is that of the last checkpoint, minutes after a failover.
    "timeline": "left(pg_walfile_name(pg_current_wal_lsn()), 8)",
    "database": "(SELECT oid FROM pg_database WHERE datname = current_database())",
    "counters": f"to_regclass('{KeyCounter._meta.db_table}')::oid",
}
_SEEN = f"(SELECT mark FROM {generations.TABLE} ORDER BY number DESC LIMIT 1)"  # noqa: S608 (a table name)
_REFUSALS = (ProgrammingError, NotSupportedError)

_left_out: set[str] = set()
"""Parts that this process may not read."""


def read() -> tuple[str, str]:
    """Return the mark of the database that was seen last, empty if none was yet, and the mark of this one.

    One statement, which measures the platform's time as well; outside of transactions. Raises
    OperationalError on a standby, which has no timeline yet.
    """
    parts = [name for name in PARTS if name not in _left_out]
    try:
        asked = platform_time.read_uptime()
        now, seen, *values = _fetch(["statement_timestamp()", _SEEN, *(PARTS[name] for name in parts)])
        platform_time.note(asked, now, platform_time.read_uptime())
    except _REFUSALS:
        refused = {name for name in parts if not _may_read(PARTS[name])}
        if not refused:
            raise
        logger.warning("not permitted to read of the database: %s", ", ".join(sorted(refused)))
        _left_out.update(refused)
        return read()
    return str(seen or ""), ", ".join(f"{name} {value}" for name, value in zip(parts, values, strict=True))


def _may_read(part: str) -> bool:
    try:
        _fetch([part])
    except _REFUSALS:
        return False
    return True


def _fetch(expressions: Collection[str]) -> tuple[Any, ...]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(expressions)}")
        return tuple(cursor.fetchone())
