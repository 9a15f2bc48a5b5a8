"""Storing readings in the transaction of the action's outcome: a statement or two for new values.

Only values that meet stored ones are merged, in Python, under a lock of their chunks.
"""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import connection, transaction

from osgp.messages.readings import CLOCK_TOLERANCE, FIRST_MOMENT, Period, Readings
from osgp.readings import clock, merging, noting, partitions
from osgp.readings.arrays import as_date, format_array
from osgp.readings.calendar import Span
from osgp.readings.chunks import NO_STATUS, Chunk, collapse, find_step, merge
from osgp.readings.merging import COLUMNS, NewChunk, make_row
from osgp.readings.models import Delivery, Series
from osgp.readings.preparing import Column, make_columns
from osgp.sql import Statement

_SERIES, _DELIVERY = (model._meta.db_table for model in (Series, Delivery))


@dataclass(frozen=True)
class PlannedChunk:
    """A chunk of a column, before its series and delivery are known."""

    column: int
    start: date
    begin: int
    end: int
    chunk: Chunk


@dataclass(frozen=True)
class PreparedReadings:
    """The readings of an action, ready to store: its columns, and their chunks by the device's calendar."""

    device_id: int
    channel: int
    time_zone: str
    columns: Sequence[Column]
    planned: Sequence[PlannedChunk]

    @property
    def is_actual(self) -> bool:
        """Whether these are single reads only, for which no full days are noted."""
        return all(column.period == Period.ACTUAL for column in self.columns)


def prepare(device: Any, readings: Iterable[Readings]) -> PreparedReadings | None:
    """Check and sort an operation's readings, without the database. None: there is nothing to store.

    Interval ends are kept from the retention on until a day ahead of our clock.
    """
    readings = list(readings)
    if not readings:
        return None
    now = clock.now()
    retention: timedelta | None = settings.OSGP["READINGS_RETENTION"]
    earliest = FIRST_MOMENT if retention is None else max(FIRST_MOMENT, now - retention)
    columns = make_columns(device, readings, earliest, now + CLOCK_TOLERANCE)
    if not columns:
        return None
    planned = _plan(columns, device.time_zone)
    return PreparedReadings(device.pk, device.channel or 0, device.time_zone, columns, planned)


def _plan(columns: Sequence[Column], zone_name: str) -> list[PlannedChunk]:
    """Split the columns into days and months. Columns of one buffer share their times: split them once."""
    zone = ZoneInfo(zone_name)
    shared: dict[tuple[int, str], list[_Slice]] = {}
    planned: dict[tuple[tuple[str, str, str], date], PlannedChunk] = {}
    for number, column in enumerate(columns):
        key = (id(column.ends), column.period)
        if key not in shared:
            shared[key] = [
                _Slice(span, first, behind, *_to_offsets(column.ends, span.begin, first, behind))
                for span, first, behind in column.iterate_spans(zone)
            ]
        for part in shared[key]:
            statuses = (
                None if column.statuses is None else collapse(column.statuses[part.first : part.behind])
            )
            chunk = Chunk(
                column.exponent,
                part.step,
                part.offsets,
                column.amounts[part.first : part.behind],
                None if statuses is None or list(statuses) == [NO_STATUS] else statuses,
                _NO_DELIVERY,
                _NO_DELIVERY,
            )
            place = (column.series, part.span.start)
            if place in planned:  # The quantity came in two columns.
                chunk, _ = merge(planned[place].chunk, chunk)
            planned[place] = PlannedChunk(number, *part.span, chunk)
    return list(planned.values())


_NO_DELIVERY = (0,)
"""Stands for a delivery that has no number yet."""


class _Slice(NamedTuple):
    """The values of one day or month: places in the column, and the times in the form of a chunk."""

    span: Span
    first: int
    behind: int
    offsets: Sequence[int]
    step: int | None


def _to_offsets(ends: Sequence[int], begin: int, first: int, behind: int) -> tuple[Sequence[int], int | None]:
    step, offsets = find_step([end - begin for end in ends[first:behind]])
    return offsets, step


@transaction.atomic(savepoint=False)
def store(prepared: PreparedReadings, correlation_uid: uuid.UUID, message: str) -> int:
    """Store readings as one delivery; returns its number. Belongs in the transaction of the outcome."""
    partitions.ensure({planned.start for planned in prepared.planned})
    place = _place_postgresql if connection.vendor == "postgresql" else _place_sqlite
    delivery, series, there, first_ends = place(prepared, correlation_uid, message)
    if prepared.is_actual and len(there) == len(prepared.planned):
        return delivery
    new = [
        _make_chunk(prepared, planned, series[planned.column], delivery)
        for planned in prepared.planned
        if planned.column in series
    ]
    unknown = [column for number, column in enumerate(prepared.columns) if number not in series]
    if unknown:
        late, known = _begin_series(prepared, unknown, delivery)
        there |= _insert(late)
        first_ends |= known
        new += late
    new.sort(key=lambda chunk: chunk.key)
    old = [chunk for chunk in new if chunk.key not in there]
    merged = merging.merge_into(old) if old else []
    noting.note_full_days([*((chunk, chunk.chunk) for chunk in new if chunk.key in there), *merged])
    noting.note_first_ends(new, first_ends)
    return delivery


Placement = tuple[int, dict[int, int], set[tuple[int, date]], noting.FirstEnds]
"""A delivery's number; the series of each column that has one; the keys of the chunks that were stored; where
these series begin.
"""


def _make_chunk(prepared: PreparedReadings, planned: PlannedChunk, series_id: int, delivery: int) -> NewChunk:
    column = prepared.columns[planned.column]
    return NewChunk(
        series_id,
        planned.start,
        planned.begin,
        planned.end,
        replace(planned.chunk, received=[delivery], confirmed=[delivery]),
        column.period,
        column.capture_period,
        ZoneInfo(prepared.time_zone),
    )


# One statement: the delivery, new series, and all chunks that are not stored yet. It waits for a transaction
# that is storing one of them. Series that another transaction began meanwhile, or that began in another time
# zone, are missing from what it returns.
_PLACE = f"""
    WITH given AS (
        SELECT number, quantity, period, unit, capture_period, first_end
          FROM unnest(%s::text[], %s::text[], %s::text[], %s::integer[], %s::bigint[])
               WITH ORDINALITY AS t (quantity, period, unit, capture_period, first_end, number)),
    known AS (
        SELECT given.number, s.id, s.first_end
          FROM given JOIN {_SERIES} s USING (quantity, period, unit)
         WHERE s.device_id = %s AND s.channel = %s AND s.time_zone = %s),
    begun AS (
        INSERT INTO {_SERIES}
               (device_id, channel, quantity, period, unit, capture_period, time_zone, first_end)
        SELECT DISTINCT ON (quantity, period, unit)
               %s::bigint, %s::smallint, quantity, period, unit, capture_period, %s::text, first_end
          FROM given WHERE NOT EXISTS (SELECT 1 FROM known WHERE known.number = given.number)
         ORDER BY quantity, period, unit, number
        ON CONFLICT (device_id, channel, quantity, period, unit) DO NOTHING
        RETURNING id, quantity, period, unit, first_end),
    series AS (
        SELECT number, id, first_end FROM known
        UNION ALL SELECT given.number, begun.id, begun.first_end
                    FROM given JOIN begun USING (quantity, period, unit)),
    delivery AS (
        INSERT INTO {_DELIVERY} (device_id, correlation_uid, message, received_at)
        VALUES (%s, %s, %s, {{{{now}}}}) RETURNING id),
    stored AS (
        INSERT INTO readings_chunk AS old ({COLUMNS})
        SELECT series.id, d, b, e, n, p, o::integer[], a::bigint[], t::smallint[], ARRAY[delivery.id],
               ARRAY[delivery.id]
          FROM unnest(%s::integer[], %s::date[], %s::bigint[], %s::smallint[], %s::integer[], %s::integer[],
                      %s::text[], %s::text[], %s::text[]) AS said (number, d, b, e, n, p, o, a, t)
          JOIN series USING (number) CROSS JOIN delivery
         ORDER BY series.id, d
        ON CONFLICT (series_id, start) {{conflict}} RETURNING series_id, start)
    SELECT delivery.id, ARRAY(SELECT number::integer FROM series ORDER BY number),
           ARRAY(SELECT id FROM series ORDER BY number),
           ARRAY(SELECT first_end FROM series ORDER BY number),
           ARRAY(SELECT series_id FROM stored ORDER BY series_id, start),
           ARRAY(SELECT start FROM stored ORDER BY series_id, start)
      FROM delivery
    """  # noqa: S608 (names of tables and columns)


def _append_column(column: str) -> str:
    """Return SQL that joins both columns; a column has one element where all its values are the same."""
    many = f"CASE cardinality({{0}}.{column}) WHEN {{0}}.count THEN {{0}}.{column}"
    many += f" ELSE array_fill({{0}}.{column}[1], ARRAY[{{0}}.count]) END"
    return f"{column} = {many.format('old')} || {many.format('excluded')}"


# A meter that is read now and then is read at ever later times: new values go behind the stored ones.
_APPEND = f"""DO UPDATE
           SET count = old.count + excluded.count, offsets = old.offsets || excluded.offsets,
               amounts = old.amounts || excluded.amounts, {_append_column("received")},
               {_append_column("confirmed")}
         WHERE old.step IS NULL AND excluded.step IS NULL AND old.exponent = excluded.exponent
           AND old.statuses IS NULL AND excluded.statuses IS NULL
           AND old.offsets[old.count] < excluded.offsets[1]"""  # noqa: S608 (names of columns)
# A day that was read before and has not changed: there is nothing to merge.
_CONFIRM = """DO UPDATE SET confirmed = excluded.confirmed
         WHERE old.amounts = excluded.amounts AND old.offsets = excluded.offsets
           AND old.step IS NOT DISTINCT FROM excluded.step AND old.exponent = excluded.exponent
           AND old.statuses IS NOT DISTINCT FROM excluded.statuses
           AND cardinality(old.confirmed) = 1 AND old.confirmed[1] < excluded.confirmed[1]"""
_PLACE_OR_CONFIRM, _PLACE_OR_APPEND = (
    Statement(_PLACE.format(conflict=conflict)) for conflict in (_CONFIRM, _APPEND)
)


def _place_postgresql(prepared: PreparedReadings, correlation_uid: uuid.UUID, message: str) -> Placement:
    given = [
        (
            planned.column + 1,
            planned.start,
            planned.begin,
            planned.chunk.exponent,
            planned.chunk.count,
            planned.chunk.step,
            format_array(planned.chunk.offsets),
            format_array(planned.chunk.amounts),
            None if planned.chunk.statuses is None else format_array(planned.chunk.statuses),
        )
        for planned in prepared.planned
    ]
    names = [list(names) for names in zip(*(column.series for column in prepared.columns), strict=True)]
    place = _PLACE_OR_APPEND if prepared.is_actual else _PLACE_OR_CONFIRM
    [(delivery, numbers, ids, first_ends, series_ids, starts)] = place.fetch_rows(
        *names,
        [column.capture_period for column in prepared.columns],
        [column.ends[0] for column in prepared.columns],
        *(prepared.device_id, prepared.channel, prepared.time_zone) * 2,
        prepared.device_id,
        correlation_uid,
        message,
        *(list(column) for column in zip(*given, strict=True)),
    )
    series = {number - 1: series_id for number, series_id in zip(numbers, ids, strict=True)}
    return (
        delivery,
        series,
        set(zip(series_ids, starts, strict=True)),
        dict(zip(ids, first_ends, strict=True)),
    )


_NEW_DELIVERY = Statement(
    f"""
    INSERT INTO {_DELIVERY} (device_id, correlation_uid, message, received_at)
    VALUES (%s, %s, %s, {{now}}) RETURNING id
    """  # noqa: S608 (table name)
)


def _place_sqlite(prepared: PreparedReadings, correlation_uid: uuid.UUID, message: str) -> Placement:
    [(delivery,)] = _NEW_DELIVERY.fetch_rows(prepared.device_id, correlation_uid, message)
    stored = _read_series(prepared)
    known = {key: row for key, row in stored.items() if row.time_zone == prepared.time_zone}
    series = {
        number: known[column.series].id
        for number, column in enumerate(prepared.columns)
        if column.series in known
    }
    chunks = [
        _make_chunk(prepared, planned, series[planned.column], delivery)
        for planned in prepared.planned
        if planned.column in series
    ]
    return delivery, series, _insert(chunks), {row.id: row.first_end for row in known.values()}


def _begin_series(
    prepared: PreparedReadings, columns: Sequence[Column], delivery: int
) -> tuple[list[NewChunk], noting.FirstEnds]:
    """Return chunks of columns whose series are new, or began in another time zone and keep its days; and
    where these series begin.
    """
    for quantity, period, unit in sorted({column.series for column in columns}):
        first = next(column for column in columns if column.series == (quantity, period, unit))
        _NEW_SERIES.execute(
            prepared.device_id,
            prepared.channel,
            quantity,
            period,
            unit,
            first.capture_period,
            prepared.time_zone,
            first.ends[0],
        )
    known = _read_series(prepared)
    chunks = []
    for zone in {known[column.series].time_zone for column in columns}:
        of_zone = [column for column in columns if known[column.series].time_zone == zone]
        in_zone = PreparedReadings(prepared.device_id, prepared.channel, zone, of_zone, _plan(of_zone, zone))
        partitions.ensure({planned.start for planned in in_zone.planned})
        for planned in in_zone.planned:
            series_id = known[of_zone[planned.column].series].id
            chunks.append(_make_chunk(in_zone, planned, series_id, delivery))
    first_ends = {known[column.series].id: known[column.series].first_end for column in columns}
    return sorted(chunks, key=lambda chunk: chunk.key), first_ends


_SERIES_OF_DEVICE = Statement(
    f"""
    SELECT quantity, period, unit, id, time_zone, first_end
      FROM {_SERIES} WHERE device_id = %s AND channel = %s
    """  # noqa: S608 (table name)
)
_NEW_SERIES = Statement(
    f"""
    INSERT INTO {_SERIES} (device_id, channel, quantity, period, unit, capture_period, time_zone, first_end)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
    ON CONFLICT (device_id, channel, quantity, period, unit) DO NOTHING
    """  # noqa: S608 (table name)
)


class _KnownSeries(NamedTuple):
    id: int
    time_zone: str
    first_end: int | None


def _read_series(prepared: PreparedReadings) -> dict[tuple[str, str, str], _KnownSeries]:
    rows = _SERIES_OF_DEVICE.fetch_rows(prepared.device_id, prepared.channel)
    return {(quantity, period, unit): _KnownSeries(*row) for quantity, period, unit, *row in rows}


_ROW = f"({', '.join(['%s'] * 11)})"
_ROWS_AT_A_TIME = 500


def _insert(chunks: Sequence[NewChunk]) -> set[tuple[int, date]]:
    """Store the chunks that are not stored yet; returns their keys."""
    there: set[tuple[int, date]] = set()
    for first in range(0, len(chunks), _ROWS_AT_A_TIME):
        rows = [make_row(new, new.chunk) for new in chunks[first : first + _ROWS_AT_A_TIME]]
        with connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO readings_chunk ({COLUMNS}) VALUES {', '.join([_ROW] * len(rows))}"  # noqa: S608
                " ON CONFLICT (series_id, start) DO NOTHING RETURNING series_id, start",
                [value for row in rows for value in row],
            )
            there |= {(series_id, as_date(start)) for series_id, start in cursor.fetchall()}
    return there
