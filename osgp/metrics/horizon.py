"""Up to when nothing new can appear: a moment before which every completed row can be seen.

``completed_at`` and ``closed_at`` are the time of a statement, and its transaction commits later. A count up
to *now* would miss what is on its way with an older time. PostgreSQL says who may still bring such rows: a
transaction that writes into a table holds, or waits for, ROW EXCLUSIVE on it until it ends, and none of its
statements is older than its begin. SQLite has one writer at a time, so whoever holds the write lock, as
counting does, sees everything.
"""

from datetime import UTC, datetime, timedelta

from django.db import connection, models

MARGIN = timedelta(seconds=1)
"""For a statement that has begun and not yet locked its table, and for a clock that is set back a little."""

# Of another role's transaction, and of a prepared one, it is not told when they began: nothing is counted
# while they last. One that has ended since the locks were looked at has no begin either, but can be seen.
_POSTGRESQL = """
    SELECT least(statement_timestamp(), min(
             CASE WHEN held.pid IS NULL OR (writer.pid IS NOT NULL AND writer.state IS NULL)
                  THEN to_timestamp(0) ELSE writer.xact_start END))
      FROM pg_locks held LEFT JOIN pg_stat_activity writer ON writer.pid = held.pid
     WHERE held.relation = %s::regclass AND held.mode = 'RowExclusiveLock'
       AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
       AND held.pid IS DISTINCT FROM pg_backend_pid()
"""


def horizon(model: type[models.Model]) -> datetime:
    """Rows that will be committed later have a later time than this. Belongs into a transaction, before the
    statement that counts.
    """
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # What PostgreSQL tells of activity stays the same within a transaction unless it is told.
            cursor.execute("SELECT pg_stat_clear_snapshot()")
            cursor.execute(_POSTGRESQL, [model._meta.db_table])
            [moment] = cursor.fetchone()
        else:
            cursor.execute("SELECT strftime('%Y-%m-%d %H:%M:%f', 'now')")
            [text] = cursor.fetchone()
            moment = datetime.fromisoformat(text).replace(tzinfo=UTC)
    seen: datetime = moment - MARGIN
    return seen
