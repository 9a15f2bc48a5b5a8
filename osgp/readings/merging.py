"""Merging new readings into stored ones: chunks are locked, merged in Python, and written back."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection

from osgp.readings.arrays import as_date, format_column, parse_integers
from osgp.readings.chunks import Chunk, Claim, DeliveryRange, merge, settle
from osgp.readings.models import FormerClaim

COLUMNS = "series_id, start, begin, exponent, count, step, offsets, amounts, statuses, received, confirmed"


@dataclass(frozen=True)
class NewChunk:
    """A chunk of new readings; ``begin`` and ``end`` bound its day or month, in seconds since 1970."""

    series_id: int
    start: date
    begin: int
    end: int
    chunk: Chunk
    period: str
    capture_period: int
    zone: ZoneInfo

    @property
    def key(self) -> tuple[int, date]:
        """The key under which it is stored."""
        return self.series_id, self.start


def make_row(new: NewChunk, chunk: Chunk) -> tuple[Any, ...]:
    """Return a chunk as its columns in the database."""
    return (
        new.series_id,
        new.start,
        new.begin,
        chunk.exponent,
        chunk.count,
        chunk.step,
        format_column(chunk.offsets),
        format_column(chunk.amounts),
        None if chunk.statuses is None else format_column(chunk.statuses),
        format_column(chunk.received),
        format_column(chunk.confirmed),
    )


def parse_chunk(row: Sequence[Any]) -> Chunk:
    """Make a chunk from selected exponent, step, offsets, amounts, statuses, received and confirmed."""
    exponent, step, *columns = row
    return Chunk(exponent, step, *map(parse_integers, columns))


def merge_into(chunks: Sequence[NewChunk]) -> list[tuple[NewChunk, Chunk]]:
    """Merge chunks, ordered by their keys, into the stored ones; returns the merged chunks.

    Stored ones are locked until the end of the transaction, in that order.
    """
    stored = _lock_chunks(chunks)
    merged: list[tuple[NewChunk, Chunk]] = []
    changed: list[tuple[NewChunk, Chunk]] = []
    for new in chunks:
        old = stored[new.key]
        chunk, disputed = merge(old, new.chunk)
        if disputed:
            former = _read_former(new, disputed)
            chunk, left = settle(chunk, disputed, former)
            _replace_former(new, former, left)
        merged.append((new, chunk))
        if chunk != old:
            changed.append((new, chunk))
    update(changed)
    return merged


def _lock_chunks(chunks: Sequence[NewChunk]) -> dict[tuple[int, date], Chunk]:
    kept = "c.series_id, c.start, exponent, step, offsets, amounts, statuses, received, confirmed"
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                f"""
                SELECT {kept} FROM readings_chunk c
                  JOIN unnest(%s::bigint[], %s::date[]) AS wanted (s, d) ON series_id = s AND start = d
                 WHERE start BETWEEN %s AND %s
                 ORDER BY series_id, start FOR UPDATE OF c
                """,  # noqa: S608 (names of columns)
                [
                    [new.series_id for new in chunks],
                    [new.start for new in chunks],
                    min(new.start for new in chunks),
                    max(new.start for new in chunks),
                ],
            )
            return {(row[0], row[1]): parse_chunk(row[2:]) for row in cursor.fetchall()}
        found: dict[tuple[int, date], Chunk] = {}
        for first in range(0, len(chunks), _KEYS_AT_A_TIME):
            keys = [new.key for new in chunks[first : first + _KEYS_AT_A_TIME]]
            cursor.execute(
                f"SELECT {kept} FROM readings_chunk c"  # noqa: S608 (names of columns)
                f" WHERE (series_id, start) IN (VALUES {', '.join(['(%s, %s)'] * len(keys))})",
                [part for key in keys for part in key],
            )
            found |= {(row[0], as_date(row[1])): parse_chunk(row[2:]) for row in cursor.fetchall()}
        return found


_KEYS_AT_A_TIME = 500


_UPDATE_POSTGRESQL = """
    UPDATE readings_chunk
       SET exponent = e, count = n, step = p, offsets = o::integer[], amounts = a::bigint[],
           statuses = t::smallint[], received = r::bigint[], confirmed = c::bigint[]
      FROM unnest(%s::bigint[], %s::date[], %s::bigint[], %s::smallint[], %s::integer[], %s::integer[],
                  %s::text[], %s::text[], %s::text[], %s::text[], %s::text[])
        AS said (s, d, b, e, n, p, o, a, t, r, c)
     WHERE series_id = s AND start = d AND start BETWEEN %s AND %s
    """
_UPDATE_SQLITE = """
    UPDATE readings_chunk
       SET begin = %s, exponent = %s, count = %s, step = %s, offsets = %s, amounts = %s, statuses = %s,
           received = %s, confirmed = %s
     WHERE series_id = %s AND start = %s
    """


def update(changed: Sequence[tuple[NewChunk, Chunk]]) -> None:
    """Store chunks in place of those under their keys, which must be locked."""
    if not changed:
        return
    rows = [make_row(new, chunk) for new, chunk in changed]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            starts = [row[1] for row in rows]
            columns = [list(column) for column in zip(*rows, strict=True)]
            cursor.execute(_UPDATE_POSTGRESQL, [*columns, min(starts), max(starts)])
        else:
            cursor.executemany(_UPDATE_SQLITE, [(*row[2:], *row[:2]) for row in rows])


def _read_former(new: NewChunk, offsets: Sequence[int] | Any) -> dict[int, dict[Claim, DeliveryRange]]:
    """Return former claims about these intervals. No other process changes them: the chunk is locked."""
    rows = FormerClaim.objects.filter(
        series=new.series_id, interval_end__in=[_to_moment(new, offset) for offset in offsets]
    ).values_list("interval_end", "millionths", "status", "received", "confirmed")
    former: dict[int, dict[Claim, DeliveryRange]] = {}
    for end, amount, status, first, last in rows:
        offset = int(end.timestamp()) - new.begin
        former.setdefault(offset, {})[Claim(amount, status)] = DeliveryRange(first, last)
    return former


def _replace_former(
    new: NewChunk, before: dict[int, dict[Claim, DeliveryRange]], after: dict[int, dict[Claim, DeliveryRange]]
) -> None:
    for offset, claims in before.items():
        for claim in claims:
            if claim not in after.get(offset, {}):
                FormerClaim.objects.filter(
                    series=new.series_id,
                    interval_end=_to_moment(new, offset),
                    millionths=claim.millionths,
                    status=claim.status,
                ).delete()
    rows = [
        FormerClaim(
            series_id=new.series_id,
            interval_end=_to_moment(new, offset),
            millionths=claim.millionths,
            status=claim.status,
            received=seen.first,
            confirmed=seen.last,
        )
        for offset, claims in after.items()
        for claim, seen in claims.items()
        if before.get(offset, {}).get(claim) != seen
    ]
    FormerClaim.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["series", "interval_end", "millionths", "status"],
        update_fields=["received", "confirmed"],
    )


def _to_moment(new: NewChunk, offset: int) -> datetime:
    return datetime.fromtimestamp(new.begin + offset, UTC)
