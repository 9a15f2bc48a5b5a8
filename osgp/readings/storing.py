"""Storing what was read, in the transaction of the action's outcome: a statement or two for new values.

Only what meets values that are there already is merged, in Python, under a lock of its chunks.
"""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import connection, transaction

from osgp.messages.readings import CLOCK_TOLERANCE, FIRST_MOMENT, Period, Readings
from osgp.readings import clock, merging, partitions
from osgp.readings.arrays import array_text, as_date
from osgp.readings.calendar import Span, day_of, month_of
from osgp.readings.chunks import NO_STATUS, Chunk, collapsed, merge, regular
from osgp.readings.merging import COLUMNS, NewChunk, row_of
from osgp.readings.models import Completeness, Delivery, Series
from osgp.readings.preparing import Column, prepare
from osgp.sql import Statement

_SERIES, _DELIVERY, _COMPLETENESS = (model._meta.db_table for model in (Series, Delivery, Completeness))


@dataclass(frozen=True)
class Planned:
    """A chunk of a column, before its series and delivery are known."""

    column: int
    start: date
    begin: int
    end: int
    chunk: Chunk


@dataclass(frozen=True)
class Kept:
    """What is to be stored of an action: its columns, and their chunks by the device's calendar."""

    device_id: int
    channel: int
    time_zone: str
    columns: Sequence[Column]
    planned: Sequence[Planned]

    @property
    def is_actual(self) -> bool:
        """Whether these are single reads only, of which nobody asks how full a day is."""
        return all(column.period == Period.ACTUAL for column in self.columns)


def kept(device: Any, told: Iterable[Readings]) -> Kept | None:
    """Check and sort what an operation tells, away from the database. None: there is nothing to store.

    Interval ends are kept from the retention on until a day ahead of our clock.
    """
    told = list(told)
    if not told:
        return None
    now = clock.now()
    retention: timedelta | None = settings.OSGP["READINGS_RETENTION"]
    earliest = FIRST_MOMENT if retention is None else max(FIRST_MOMENT, now - retention)
    columns = prepare(device, told, earliest, now + CLOCK_TOLERANCE)
    if not columns:
        return None
    planned = _plan(columns, device.time_zone)
    return Kept(device.pk, device.channel or 0, device.time_zone, columns, planned)


def _plan(columns: Sequence[Column], zone_name: str) -> list[Planned]:
    """The columns by days and months. Columns of one buffer share their times: those are sorted once."""
    zone = ZoneInfo(zone_name)
    shared: dict[tuple[int, str], list[_Slice]] = {}
    planned: dict[tuple[tuple[str, str, str], date], Planned] = {}
    for number, column in enumerate(columns):
        key = (id(column.ends), column.period)
        if key not in shared:
            shared[key] = [
                _Slice(span, first, behind, *_offsets(column.ends, span.begin, first, behind))
                for span, first, behind in column.spans(zone)
            ]
        for part in shared[key]:
            statuses = (
                None if column.statuses is None else collapsed(column.statuses[part.first : part.behind])
            )
            chunk = Chunk(
                column.exponent,
                part.step,
                part.offsets,
                column.amounts[part.first : part.behind],
                None if statuses is None or list(statuses) == [NO_STATUS] else statuses,
                _NOBODY,
                _NOBODY,
            )
            place = (column.series, part.span.start)
            if place in planned:  # The quantity was told in two columns.
                chunk, _ = merge(planned[place].chunk, chunk)
            planned[place] = Planned(number, *part.span, chunk)
    return list(planned.values())


_NOBODY = (0,)
"""Stands for a delivery that has no number yet."""


class _Slice(NamedTuple):
    """The values of one day or month: places in the column, and the times as a chunk has them."""

    span: Span
    first: int
    behind: int
    offsets: Sequence[int]
    step: int | None


def _offsets(ends: Sequence[int], begin: int, first: int, behind: int) -> tuple[Sequence[int], int | None]:
    step, offsets = regular([end - begin for end in ends[first:behind]])
    return offsets, step


@transaction.atomic(savepoint=False)
def store(what: Kept, correlation_uid: uuid.UUID, message: str) -> int:
    """Store it as one delivery, received now; returns its number. Belongs into the outcome's transaction."""
    partitions.ensure({planned.start for planned in what.planned})
    place = _place_postgresql if connection.vendor == "postgresql" else _place_sqlite
    delivery, series, there = place(what, correlation_uid, message)
    if what.is_actual and len(there) == len(what.planned):
        return delivery
    new = [
        _new_chunk(what, planned, series[planned.column], delivery)
        for planned in what.planned
        if planned.column in series
    ]
    strangers = [column for number, column in enumerate(what.columns) if number not in series]
    if strangers:
        late = _of_new_series(what, strangers, delivery)
        there |= _insert(late)
        new += late
    new.sort(key=lambda chunk: chunk.key)
    old = [chunk for chunk in new if chunk.key not in there]
    merged = merging.merge_into(old) if old else []
    _note_full_days([*((chunk, chunk.chunk) for chunk in new if chunk.key in there), *merged])
    return delivery


Placed = tuple[int, dict[int, int], set[tuple[int, date]]]
"""A delivery's number; the series of each column that has one; the keys of the chunks that were stored."""


def _new_chunk(what: Kept, planned: Planned, series_id: int, delivery: int) -> NewChunk:
    column = what.columns[planned.column]
    return NewChunk(
        series_id,
        planned.start,
        planned.begin,
        planned.end,
        replace(planned.chunk, received=[delivery], confirmed=[delivery]),
        column.period,
        column.capture_period,
        ZoneInfo(what.time_zone),
    )


# One statement: the delivery, series that are new, and all chunks that are not there yet. It waits for a
# transaction that is storing one of them. What somebody else has begun as a series meanwhile, or in another
# time zone, is missing from what it returns.
_PLACE = f"""
    WITH told AS (
        SELECT number, quantity, period, unit, capture_period
          FROM unnest(%s::text[], %s::text[], %s::text[], %s::integer[])
               WITH ORDINALITY AS t (quantity, period, unit, capture_period, number)),
    known AS (
        SELECT told.number, s.id
          FROM told JOIN {_SERIES} s USING (quantity, period, unit)
         WHERE s.device_id = %s AND s.channel = %s AND s.time_zone = %s),
    begun AS (
        INSERT INTO {_SERIES} (device_id, channel, quantity, period, unit, capture_period, time_zone)
        SELECT DISTINCT ON (quantity, period, unit)
               %s::bigint, %s::smallint, quantity, period, unit, capture_period, %s::text
          FROM told WHERE NOT EXISTS (SELECT 1 FROM known WHERE known.number = told.number)
         ORDER BY quantity, period, unit, number
        ON CONFLICT (device_id, channel, quantity, period, unit) DO NOTHING
        RETURNING id, quantity, period, unit),
    series AS (
        SELECT number, id FROM known
        UNION ALL SELECT told.number, begun.id FROM told JOIN begun USING (quantity, period, unit)),
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
           ARRAY(SELECT series_id FROM stored ORDER BY series_id, start),
           ARRAY(SELECT start FROM stored ORDER BY series_id, start)
      FROM delivery
    """  # noqa: S608 (names of tables and columns)


def _appended(column: str) -> str:
    """Both columns one after the other; where all are the same, a column has but one element."""
    many = f"CASE cardinality({{0}}.{column}) WHEN {{0}}.count THEN {{0}}.{column}"
    many += f" ELSE array_fill({{0}}.{column}[1], ARRAY[{{0}}.count]) END"
    return f"{column} = {many.format('old')} || {many.format('excluded')}"


# A meter that is read now and then is read at ever later times: what it says is put behind what there is.
_APPEND = f"""DO UPDATE
           SET count = old.count + excluded.count, offsets = old.offsets || excluded.offsets,
               amounts = old.amounts || excluded.amounts, {_appended("received")}, {_appended("confirmed")}
         WHERE old.step IS NULL AND excluded.step IS NULL AND old.exponent = excluded.exponent
           AND old.statuses IS NULL AND excluded.statuses IS NULL
           AND old.offsets[old.count] < excluded.offsets[1]"""  # noqa: S608 (names of columns)
# A day that was read before and is the same: there is nothing to merge.
_CONFIRM = """DO UPDATE SET confirmed = excluded.confirmed
         WHERE old.amounts = excluded.amounts AND old.offsets = excluded.offsets
           AND old.step IS NOT DISTINCT FROM excluded.step AND old.exponent = excluded.exponent
           AND old.statuses IS NOT DISTINCT FROM excluded.statuses
           AND cardinality(old.confirmed) = 1 AND old.confirmed[1] < excluded.confirmed[1]"""
_PLACE_OR_CONFIRM, _PLACE_OR_APPEND = (
    Statement(_PLACE.format(conflict=conflict)) for conflict in (_CONFIRM, _APPEND)
)


def _place_postgresql(what: Kept, correlation_uid: uuid.UUID, message: str) -> Placed:
    told = [
        (
            planned.column + 1,
            planned.start,
            planned.begin,
            planned.chunk.exponent,
            planned.chunk.count,
            planned.chunk.step,
            array_text(planned.chunk.offsets),
            array_text(planned.chunk.amounts),
            None if planned.chunk.statuses is None else array_text(planned.chunk.statuses),
        )
        for planned in what.planned
    ]
    names = [list(names) for names in zip(*(column.series for column in what.columns), strict=True)]
    place = _PLACE_OR_APPEND if what.is_actual else _PLACE_OR_CONFIRM
    [(delivery, numbers, ids, series_ids, starts)] = place.fetch_rows(
        *names,
        [column.capture_period for column in what.columns],
        *(what.device_id, what.channel, what.time_zone) * 2,
        what.device_id,
        correlation_uid,
        message,
        *(list(column) for column in zip(*told, strict=True)),
    )
    series = {number - 1: series_id for number, series_id in zip(numbers, ids, strict=True)}
    return delivery, series, set(zip(series_ids, starts, strict=True))


_NEW_DELIVERY = Statement(
    f"""
    INSERT INTO {_DELIVERY} (device_id, correlation_uid, message, received_at)
    VALUES (%s, %s, %s, {{now}}) RETURNING id
    """  # noqa: S608 (table name)
)


def _place_sqlite(what: Kept, correlation_uid: uuid.UUID, message: str) -> Placed:
    [(delivery,)] = _NEW_DELIVERY.fetch_rows(what.device_id, correlation_uid, message)
    known = {
        key: series_id for key, (series_id, zone) in _known_series(what).items() if zone == what.time_zone
    }
    series = {
        number: known[column.series] for number, column in enumerate(what.columns) if column.series in known
    }
    chunks = [
        _new_chunk(what, planned, series[planned.column], delivery)
        for planned in what.planned
        if planned.column in series
    ]
    return delivery, series, _insert(chunks)


def _of_new_series(what: Kept, columns: Sequence[Column], delivery: int) -> list[NewChunk]:
    """The chunks of columns whose series are new, or were begun in another time zone: they keep its days."""
    for quantity, period, unit in sorted({column.series for column in columns}):
        capture_period = next(
            column.capture_period for column in columns if column.series == (quantity, period, unit)
        )
        _NEW_SERIES.execute(
            what.device_id, what.channel, quantity, period, unit, capture_period, what.time_zone
        )
    known = _known_series(what)
    chunks = []
    for zone in {known[column.series][1] for column in columns}:
        of_zone = [column for column in columns if known[column.series][1] == zone]
        in_zone = Kept(what.device_id, what.channel, zone, of_zone, _plan(of_zone, zone))
        partitions.ensure({planned.start for planned in in_zone.planned})
        for planned in in_zone.planned:
            series_id = known[of_zone[planned.column].series][0]
            chunks.append(_new_chunk(in_zone, planned, series_id, delivery))
    return sorted(chunks, key=lambda chunk: chunk.key)


_SERIES_OF_DEVICE = Statement(
    f"""
    SELECT quantity, period, unit, id, time_zone FROM {_SERIES} WHERE device_id = %s AND channel = %s
    """  # noqa: S608 (table name)
)
_NEW_SERIES = Statement(
    f"""
    INSERT INTO {_SERIES} (device_id, channel, quantity, period, unit, capture_period, time_zone)
    VALUES (%s, %s, %s, %s, %s, %s, %s)
    ON CONFLICT (device_id, channel, quantity, period, unit) DO NOTHING
    """  # noqa: S608 (table name)
)


def _known_series(what: Kept) -> dict[tuple[str, str, str], tuple[int, str]]:
    rows = _SERIES_OF_DEVICE.fetch_rows(what.device_id, what.channel)
    return {(quantity, period, unit): (pk, zone) for quantity, period, unit, pk, zone in rows}


_ROW = f"({', '.join(['%s'] * 11)})"
_ROWS_AT_A_TIME = 500


def _insert(chunks: Sequence[NewChunk]) -> set[tuple[int, date]]:
    """Store the chunks that are not there yet; returns their keys."""
    there: set[tuple[int, date]] = set()
    for first in range(0, len(chunks), _ROWS_AT_A_TIME):
        rows = [row_of(new, new.chunk) for new in chunks[first : first + _ROWS_AT_A_TIME]]
        with connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO readings_chunk ({COLUMNS}) VALUES {', '.join([_ROW] * len(rows))}"  # noqa: S608
                " ON CONFLICT (series_id, start) DO NOTHING RETURNING series_id, start",
                [value for row in rows for value in row],
            )
            there |= {(series_id, as_date(start)) for series_id, start in cursor.fetchall()}
    return there


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


def _note_full_days(stored: Iterable[tuple[NewChunk, Chunk]]) -> None:
    """Keep up which days the series are full of. Bits are only ever set: the order is all the same."""
    days: dict[tuple[int, date], int] = {}
    for new, chunk in stored:
        if new.period == Period.ACTUAL:
            continue
        bits = 0
        if new.period == Period.MONTHLY:
            bits = int(new.end - new.begin in set(chunk.all_offsets()))
        elif new.period == Period.DAILY:
            bits = _days(new, chunk)
        elif chunk.is_full(new.end - new.begin, new.capture_period):
            bits = 1 << new.start.day - 1
        key = (new.series_id, month_of(new.start))
        days[key] = days.get(key, 0) | bits
    rows = [(series_id, month, bits) for (series_id, month), bits in sorted(days.items())]
    if not rows:
        return
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(_NOTE["postgresql"], [list(column) for column in zip(*rows, strict=True)])
        else:
            cursor.executemany(_NOTE["sqlite"], rows)


def _days(new: NewChunk, chunk: Chunk) -> int:
    bits = 0
    for offset in chunk.all_offsets():
        day = day_of(datetime.fromtimestamp(new.begin + offset, UTC), new.zone)
        bits |= 1 << day.day - 1
    return bits
