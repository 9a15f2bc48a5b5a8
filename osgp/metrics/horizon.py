"""The horizon: a moment before which every completed row is visible, so that no new one can appear.

``completed_at`` and ``closed_at`` are the time of a statement, and its transaction commits later. Counting up
to *now* would miss rows that are committed later with an older time. PostgreSQL knows who may still commit
such rows: a transaction that writes into a table holds, or waits for, ROW EXCLUSIVE on it until it ends, and
none of its statements is older than its begin. SQLite has one writer at a time, so the holder of the write
lock, as counting is, sees everything.
"""

from datetime import UTC, datetime, timedelta

from django.db import connection, models

MARGIN = timedelta(seconds=1)
"""For a statement that has not locked its table yet, and for a clock that is set back a little."""

# The begin of another role's transaction, or of a prepared one, is not visible: nothing is counted while they
# last. A transaction that ended after the locks were read has no begin either, but its rows are visible.
_POSTGRESQL = """
    SELECT least(statement_timestamp(), min(
             CASE WHEN held.pid IS NULL OR (writer.pid IS NOT NULL AND writer.state IS NULL)
                  THEN to_timestamp(0) ELSE writer.xact_start END))
      FROM pg_locks held LEFT JOIN pg_stat_activity writer ON writer.pid = held.pid
     WHERE held.relation = %s::regclass AND held.mode = 'RowExclusiveLock'
       AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
       AND held.pid IS DISTINCT FROM pg_backend_pid()
"""


def find_horizon(model: type[models.Model]) -> datetime:
    """Return a moment such that rows committed later have a later time.

    Belongs in a transaction, before the statement that counts.
    """
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # Within a transaction PostgreSQL shows the same activity until its snapshot is cleared.
            cursor.execute("SELECT pg_stat_clear_snapshot()")
            cursor.execute(_POSTGRESQL, [model._meta.db_table])
            [moment] = cursor.fetchone()
        else:
            cursor.execute("SELECT strftime('%Y-%m-%d %H:%M:%f', 'now')")
            [text] = cursor.fetchone()
            moment = datetime.fromisoformat(text).replace(tzinfo=UTC)
    seen: datetime = moment - MARGIN
    return seen


def make_comparable(moment: datetime) -> datetime:
    """Return a moment that SQLite, where times are texts, sorts correctly: whole seconds have no decimals."""
    return moment.replace(microsecond=moment.microsecond or 1)
