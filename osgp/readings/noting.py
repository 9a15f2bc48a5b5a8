"""What is noted of series when values are stored, so that no query counts: full days, and the first value."""

from collections.abc import Iterable
from datetime import UTC, date, datetime

from django.db import connection

from osgp.messages.readings import Period
from osgp.readings.calendar import find_day, to_month
from osgp.readings.chunks import Chunk
from osgp.readings.merging import NewChunk
from osgp.readings.models import Completeness, Series
from osgp.sql import Statement

_SERIES, _COMPLETENESS = (model._meta.db_table for model in (Series, Completeness))

FirstEnds = dict[int, int | None]
"""By series, where its values begin, as far as that is known."""

_NOTE = {
    "postgresql": f"""
    INSERT INTO {_COMPLETENESS} AS known (series_id, month, full_days)
    SELECT * FROM unnest(%s::bigint[], %s::date[], %s::bigint[])
    ON CONFLICT (series_id, month) DO UPDATE SET full_days = known.full_days | excluded.full_days
     WHERE known.full_days | excluded.full_days <> known.full_days
    """,  # noqa: S608 (table name)
    "sqlite": f"""
    INSERT INTO {_COMPLETENESS} (series_id, month, full_days) VALUES (%s, %s, %s)
    ON CONFLICT (series_id, month) DO UPDATE SET full_days = full_days | excluded.full_days
    """,  # noqa: S608 (table name)
}


def note_full_days(stored: Iterable[tuple[NewChunk, Chunk]]) -> None:
    """Note the days that the series are full of. Bits are only ever set, so the order does not matter."""
    days: dict[tuple[int, date], int] = {}
    for new, chunk in stored:
        if new.period == Period.ACTUAL:
            continue
        bits = 0
        if new.period == Period.MONTHLY:
            bits = int(new.end - new.begin in set(chunk.list_offsets()))
        elif new.period == Period.DAILY:
            bits = _mark_days(new, chunk)
        elif chunk.is_full(new.end - new.begin, new.capture_period):
            bits = 1 << new.start.day - 1
        key = (new.series_id, to_month(new.start))
        days[key] = days.get(key, 0) | bits
    rows = [(series_id, month, bits) for (series_id, month), bits in sorted(days.items())]
    if not rows:
        return
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(_NOTE["postgresql"], [list(column) for column in zip(*rows, strict=True)])
        else:
            cursor.executemany(_NOTE["sqlite"], rows)


def _mark_days(new: NewChunk, chunk: Chunk) -> int:
    bits = 0
    for offset in chunk.list_offsets():
        day = find_day(datetime.fromtimestamp(new.begin + offset, UTC), new.zone)
        bits |= 1 << day.day - 1
    return bits


_BEGIN_EARLIER = Statement(
    f"UPDATE {_SERIES} SET first_end = %s WHERE id = %s AND first_end > %s"  # noqa: S608 (table name)
)


def note_first_ends(stored: Iterable[NewChunk], known: FirstEnds) -> None:
    """Let series begin earlier whose new values do. Most never need it: later values are stored later."""
    for new in stored:
        first, before = new.begin + new.chunk.offsets[0], known.get(new.series_id)
        if before is not None and first < before:
            known[new.series_id] = first
            _BEGIN_EARLIER.execute(first, new.series_id, first)
