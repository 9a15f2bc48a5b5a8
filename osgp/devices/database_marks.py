"""The mark of a PostgreSQL database: what tells it from a copy that was restored or took over.

Parts of it change with a restore into another server (system identifier), a recovery to a point in time or a
failover (timeline), a restore into another database (its oid), and one into the same database (oid of the
table of counters). VACUUM, CLUSTER, pg_repack and restarts change none of them. Any role may read them,
unless somebody has revoked that or the service has no such function: that part is left out then.
"""

import logging
from collections.abc import Collection

from django.db import NotSupportedError, ProgrammingError, connection

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

    One statement; outside of transactions. Raises OperationalError on a standby, which has no timeline yet.
    """
    parts = [name for name in PARTS if name not in _left_out]
    try:
        seen, *values = _fetch([_SEEN, *(PARTS[name] for name in parts)])
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


def _fetch(expressions: Collection[str]) -> tuple[object, ...]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(expressions)}")
        return tuple(cursor.fetchone())
