"""Reading stored values, chunk by chunk in the order of their keys: memory and pages are bounded."""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection
from django.db.models import Exists, OuterRef, Q, QuerySet

from osgp.devices.models import Device
from osgp.messages.readings import DECIMALS
from osgp.readings import chunks
from osgp.readings.arrays import parse_integers
from osgp.readings.calendar import DAY
from osgp.readings.chunks import NO_STATUS
from osgp.readings.models import Chunk, Delivery, FormerClaim, Series

CHUNKS_AT_A_TIME = 64
SERIES_AT_A_TIME = 512
LONGEST_CHUNK = timedelta(days=33)
"""A chunk of DAILY or MONTHLY values: more than a month, with clock changes and time zones."""
MARGIN = timedelta(days=2)
"""Upper bound of the distance between a day's start in any time zone and in UTC."""


class Position(NamedTuple):
    """Where a page ended: the last value's series, the start of its chunk, its interval end since 1970."""

    series_id: int
    start: date
    end: int


class Provenance(NamedTuple):
    """When, and by which request, a value was received; ``confirmed_at`` is the last time."""

    received_at: datetime | None
    received_by: uuid.UUID | None
    confirmed_at: datetime | None


class FormerReading(NamedTuple):
    """What a meter said about the same interval at another time."""

    value: Decimal
    status: int | None
    provenance: Provenance


class Reading(NamedTuple):
    """One value of a series."""

    series: Series
    interval_end: datetime
    value: Decimal
    status: int | None
    provenance: Provenance
    former: Sequence[FormerReading]
    position: Position

    @property
    def name(self) -> str | None:
        """The tag of the quantity in the device's profile."""
        return self.series.tag

    def name_flags(self, status: int | None) -> tuple[str, ...] | None:
        """What is set in a status of the series; None for None."""
        if status is None:
            return None
        flags = self.series.flags
        # The meter may have had another profile, with more bits, when it said so.
        return flags.decode(status & flags.largest).names

    @property
    def is_late(self) -> bool:
        """Whether it was received long after its interval's end."""
        received_at = self.provenance.received_at
        return (
            received_at is not None and received_at - self.interval_end > settings.OSGP["READINGS_LATE_AFTER"]
        )


@dataclass(frozen=True)
class Selection:
    """The wanted values. ``since`` is included and ``until`` is not."""

    series: QuerySet[Series]
    since: datetime | None = None
    until: datetime | None = None
    changed: bool | None = None
    late: bool | None = None
    after: Position | None = None


def filter_series(
    devices: QuerySet[Device],
    *,
    channel: int | None = None,
    quantities: Sequence[str] = (),
    periods: Sequence[str] = (),
) -> QuerySet[Series]:
    """Return the series of devices; ``quantities`` are OBIS codes."""
    found = Series.objects.filter(device__in=devices)
    if channel is not None:
        found = found.filter(channel=channel)
    if quantities:
        found = found.filter(quantity__in=quantities)
    return found.filter(period__in=periods) if periods else found


def read_readings(selection: Selection) -> Iterator[Reading]:
    """Yield the values by series and interval end. A few statements for every 64 chunks."""
    known: dict[int, Series] = {}
    for found in _read_chunks(selection):
        missing = {chunk.series_id for chunk in found} - known.keys()
        if missing:
            known |= Series.objects.select_related("device__gateway").in_bulk(missing)
        yield from _make_readings(found, known, selection)


class _StoredChunk(NamedTuple):
    """A row of the table of chunks."""

    series_id: int
    start: date
    begin: int
    columns: chunks.Chunk

    @classmethod
    def from_row(cls, row: Sequence[Any]) -> "_StoredChunk":
        """Make it from the columns of ``_COLUMNS``."""
        series_id, start, begin, exponent, step, *columns = row
        return cls(series_id, start, begin, chunks.Chunk(exponent, step, *map(parse_integers, columns)))


_COLUMNS = (
    "series_id",
    "start",
    "begin",
    "exponent",
    "step",
    "offsets",
    "amounts",
    "statuses",
    "received",
    "confirmed",
)


def _read_chunks(selection: Selection) -> Iterator[list[_StoredChunk]]:
    """Yield the chunks by series and start, up to 64 at a time.

    Series are looked up first and named: a join over all of them would make PostgreSQL read all chunks.
    """
    series = _filter_changed(selection)
    first, last = date.min, date.max
    if selection.since is not None:
        first = (selection.since - LONGEST_CHUNK).date()
    if selection.until is not None:
        last = (selection.until + MARGIN).date()
    at, start = (0, first) if selection.after is None else selection.after[:2]
    while True:
        ids = list(series.filter(pk__gte=at).order_by("pk").values_list("pk", flat=True)[:SERIES_AT_A_TIME])
        after_these = ids[-1] + 1 if len(ids) == SERIES_AT_A_TIME else None
        while ids:
            # Of the first series, which may be partly read, what follows; of the others, all.
            begun = max(start, first) if ids[0] == at else first
            found = _read_chunks_of(ids, begun, first, last)
            if found:
                yield found
            if len(found) < CHUNKS_AT_A_TIME:
                break
            at, start = found[-1].series_id, found[-1].start + DAY
            ids = [pk for pk in ids if pk >= at]
        if after_these is None:
            return
        at, start = after_these, first


def _filter_changed(selection: Selection) -> QuerySet[Series]:
    if not selection.changed:
        return selection.series
    former = FormerClaim.objects.filter(series=OuterRef("pk"))
    if selection.since is not None:
        former = former.filter(interval_end__gte=selection.since)
    if selection.until is not None:
        former = former.filter(interval_end__lt=selection.until)
    return selection.series.filter(Exists(former))


# PostgreSQL goes from series to series, and stops when it has enough chunks.
_CHUNKS_OF_SERIES = f"""
    SELECT {", ".join(f"c.{name}" for name in _COLUMNS)}
      FROM {Series._meta.db_table} s
     CROSS JOIN LATERAL (
           SELECT * FROM readings_chunk k
            WHERE k.series_id = s.id AND k.start <= %s AND k.start >= CASE s.id WHEN %s THEN %s ELSE %s END
            ORDER BY k.start LIMIT %s) c
     WHERE s.id = ANY(%s) ORDER BY s.id, c.start LIMIT %s
    """  # noqa: S608 (names of columns)


def _read_chunks_of(ids: Sequence[int], begun: date, first: date, last: date) -> list[_StoredChunk]:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            limit = CHUNKS_AT_A_TIME
            cursor.execute(_CHUNKS_OF_SERIES, [last, ids[0], begun, first, limit, list(ids), limit])
            return [_StoredChunk.from_row(row) for row in cursor.fetchall()]
    rows = Chunk.objects.filter(
        Q(series_id=ids[0], start__gte=begun) | Q(series_id__in=ids[1:]), start__range=(first, last)
    )
    rows = rows.order_by("series_id", "start")[:CHUNKS_AT_A_TIME]
    return [_StoredChunk.from_row(row) for row in rows.values_list(*_COLUMNS)]


def _make_readings(
    found: Sequence[_StoredChunk], series: dict[int, Series], selection: Selection
) -> Iterator[Reading]:
    former = _read_former(found)
    numbers = {number for chunk in found for number in (*chunk.columns.received, *chunk.columns.confirmed)}
    for claims in former.values():
        numbers |= {number for claim in claims for number in (claim.received, claim.confirmed)}
    deliveries = Delivery.objects.in_bulk(numbers)

    def find_provenance(received: int, confirmed: int) -> Provenance:
        first, last = deliveries.get(received), deliveries.get(confirmed)
        return Provenance(
            first.received_at if first else None,
            first.correlation_uid if first else None,
            last.received_at if last else None,
        )

    since = None if selection.since is None else selection.since.timestamp()
    until = None if selection.until is None else selection.until.timestamp()
    after = selection.after
    for chunk in found:
        columns, count = chunk.columns, chunk.columns.count
        behind = after.end if after is not None and after.series_id == chunk.series_id else None
        for offset, amount, status, received, confirmed in zip(
            columns.list_offsets(),
            columns.amounts,
            columns.list_statuses(),
            chunks.spread(columns.received, count),
            chunks.spread(columns.confirmed, count),
            strict=True,
        ):
            end = chunk.begin + offset
            if (
                (since is not None and end < since)
                or (until is not None and end >= until)
                or (behind is not None and end <= behind)
            ):
                continue
            claims = former.get((chunk.series_id, end), [])
            if selection.changed is not None and bool(claims) != selection.changed:
                continue
            reading = Reading(
                series[chunk.series_id],
                datetime.fromtimestamp(end, UTC),
                chunks.to_decimal(amount, columns.exponent),
                None if status == NO_STATUS else status,
                find_provenance(received, confirmed),
                [
                    FormerReading(
                        _to_decimal(claim.millionths, columns.exponent),
                        None if claim.status == NO_STATUS else claim.status,
                        find_provenance(claim.received, claim.confirmed),
                    )
                    for claim in claims
                ],
                Position(chunk.series_id, chunk.start, end),
            )
            if selection.late is None or reading.is_late == selection.late:
                yield reading


def _read_former(found: Sequence[_StoredChunk]) -> dict[tuple[int, int], list[FormerClaim]]:
    begin = min(chunk.begin for chunk in found)
    end = max(chunk.begin + chunk.columns.list_offsets()[-1] for chunk in found)
    rows = FormerClaim.objects.filter(
        series__in={chunk.series_id for chunk in found},
        interval_end__gt=datetime.fromtimestamp(begin, UTC),
        interval_end__lte=datetime.fromtimestamp(end, UTC),
    )
    former: dict[tuple[int, int], list[FormerClaim]] = {}
    for claim in rows.order_by("received", "pk"):
        former.setdefault((claim.series_id, int(claim.interval_end.timestamp())), []).append(claim)
    return former


def _to_decimal(millionths: int, exponent: int) -> Decimal:
    """Return a former value with as many decimals as the value that counts."""
    return chunks.to_decimal(millionths // 10 ** (exponent + DECIMALS), exponent)
