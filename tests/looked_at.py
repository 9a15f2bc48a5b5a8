"""How many rows PostgreSQL reads, as its plans would have it."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction


@contextmanager
def rows_looked_at() -> Iterator[Counter[str]]:
    """How many rows of each table were read meanwhile, by a scan of the table or of an index."""
    looked_at: Counter[str] = Counter()
    with transaction.atomic():
        before = _rows_of_transaction()
        yield looked_at
        looked_at.update(_rows_of_transaction() - before)


def _rows_of_transaction() -> Counter[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, COALESCE(seq_tup_read, 0) + COALESCE(idx_tup_fetch, 0)"
            "  FROM pg_stat_xact_user_tables"
        )
        return Counter(dict(cursor.fetchall()))
