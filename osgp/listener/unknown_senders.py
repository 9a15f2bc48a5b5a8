"""Source addresses of which decoding found that those who push from there are unknown."""

from datetime import timedelta

from osgp.alarms.models import PushOutcome, ReceivedPush
from osgp.sql import Statement

EVERY = 5.0
"""Seconds between looks."""
WITHIN = timedelta(minutes=10)
NEWEST = 5_000
"""Pushes that are looked at."""
REPEATEDLY = 20
"""Unknown senders among them that make a source suspicious, if they are more than the known ones."""

_TABLE = ReceivedPush._meta.db_table
# Decoders take the oldest first, so that all below the oldest that waits are decoded. Both looks go through
# indexes; the second one happens only where there are unknown senders at all.
_LAST = Statement(f"""
    SELECT received_at > {{later}} FROM {_TABLE} WHERE outcome = %s ORDER BY outcome, id DESC LIMIT 1
""")  # noqa: S608 (table name)
_SOURCES = Statement(f"""
    SELECT source_address FROM (
        SELECT source_address, outcome FROM {_TABLE}
        WHERE id < COALESCE((SELECT MIN(id) FROM {_TABLE} WHERE outcome = 'WAITING'), 9223372036854775807)
        ORDER BY id DESC LIMIT {NEWEST}
    ) AS newest
    GROUP BY source_address
    HAVING SUM(CASE WHEN outcome = %s THEN 1 ELSE 0 END) >= %s
        AND SUM(CASE WHEN outcome = %s THEN 1 ELSE 0 END) * 2 > COUNT(*)
""")  # noqa: S608 (table name)


def find_sources() -> list[str]:
    """Return the source addresses of which most pushes lately were of unknown senders.

    More than half: a gateway with thousands of meters is not to suffer from some that nobody registered.
    """
    unknown = PushOutcome.UNKNOWN_SENDER.value
    lately = _LAST.fetch_rows(-WITHIN.total_seconds(), unknown)
    if not lately or not lately[0][0]:
        return []
    return [str(row[0]) for row in _SOURCES.fetch_rows(unknown, REPEATEDLY, unknown)]
