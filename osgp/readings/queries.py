"""Looking up what was read, chunk by chunk in the order of their keys: memory and pages are bounded."""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from django.conf import settings
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models import Subquery as Select

from osgp.devices.models import Device
from osgp.readings import chunks
from osgp.readings.calendar import DAY
from osgp.readings.chunks import NO_STATUS
from osgp.readings.models import Chunk, Delivery, FormerClaim, Series
from osgp.readings.quantities import tag_of
from osgp.readings.values import DECIMALS

CHUNKS_AT_A_TIME = 64
LONGEST_CHUNK = timedelta(days=33)
"""Of DAILY and MONTHLY values; more than a month with its clock changes and time zones."""
MARGIN = timedelta(days=2)
"""How far the start of a day in some time zone may be from the day in UTC."""


class Position(NamedTuple):
    """Where a page ended: the last value's series, the chunk it is in, its interval end since 1970."""

    series_id: int
    start: date
    end: int


class Told(NamedTuple):
    """When, and by which request, a meter said something; ``confirmed_at`` is the last time."""

    received_at: datetime | None
    received_by: uuid.UUID | None
    confirmed_at: datetime | None


class Former(NamedTuple):
    """What a meter said about the same interval at another time."""

    value: Decimal
    status: int | None
    told: Told


class Reading(NamedTuple):
    """One value."""

    series: Series
    interval_end: datetime
    value: Decimal
    status: int | None
    told: Told
    former: Sequence[Former]
    position: Position

    @property
    def name(self) -> str | None:
        """The tag of the quantity in the device's profile."""
        device = self.series.device
        return tag_of(device.protocol_name, device.protocol_version, self.series.quantity)

    @property
    def is_late(self) -> bool:
        """Whether it was received long after its interval's end."""
        received_at = self.told.received_at
        return (
            received_at is not None and received_at - self.interval_end > settings.OSGP["READINGS_LATE_AFTER"]
        )


@dataclass(frozen=True)
class Selection:
    """Which values are wanted. ``since`` is included and ``until`` is not."""

    series: QuerySet[Series]
    since: datetime | None = None
    until: datetime | None = None
    changed: bool | None = None
    late: bool | None = None
    after: Position | None = None


def series_of(
    devices: QuerySet[Device],
    *,
    channel: int | None = None,
    quantities: Sequence[str] = (),
    periods: Sequence[str] = (),
) -> QuerySet[Series]:
    """The series of devices; ``quantities`` are OBIS codes."""
    found = Series.objects.filter(device__in=devices)
    if channel is not None:
        found = found.filter(channel=channel)
    if quantities:
        found = found.filter(quantity__in=quantities)
    return found.filter(period__in=periods) if periods else found


def readings(selection: Selection) -> Iterator[Reading]:
    """The values by series, and of each by interval end. A few statements for every 64 chunks."""
    known: dict[int, Series] = {}
    while True:
        found = _next_chunks(selection)
        if not found:
            return
        missing = {chunk.series_id for chunk in found} - known.keys()
        if missing:
            known |= Series.objects.select_related("device").in_bulk(missing)
        yield from _values(found, known, selection)
        if len(found) < CHUNKS_AT_A_TIME:
            return
        last = found[-1]
        selection = replace(selection, after=Position(last.series_id, last.start + DAY, 0))


def _next_chunks(selection: Selection) -> list[Chunk]:
    rows = Chunk.objects.filter(series_id__in=Select(selection.series.order_by().values("pk")))
    since, until, after = selection.since, selection.until, selection.after
    if since is not None:
        rows = rows.filter(start__gt=(since - LONGEST_CHUNK).date())
    if until is not None:
        rows = rows.filter(start__lte=(until + MARGIN).date())
    if after is not None:
        rows = rows.filter(
            Q(series_id=after.series_id, start__gte=after.start) | Q(series_id__gt=after.series_id)
        )
    if selection.changed:
        former = FormerClaim.objects.filter(series=OuterRef("series_id"))
        if since is not None:
            former = former.filter(interval_end__gte=since)
        if until is not None:
            former = former.filter(interval_end__lt=until)
        rows = rows.filter(Exists(former))
    return list(rows.order_by("series_id", "start")[:CHUNKS_AT_A_TIME])


def _offsets(chunk: Chunk) -> Sequence[int]:
    return _columns(chunk).all_offsets()


def _columns(chunk: Chunk) -> chunks.Chunk:
    return chunks.Chunk(
        chunk.exponent,
        chunk.step,
        chunk.offsets,
        chunk.amounts,
        chunk.statuses,
        chunk.received,
        chunk.confirmed,
    )


def _values(found: Sequence[Chunk], series: dict[int, Series], selection: Selection) -> Iterator[Reading]:
    former = _former(found)
    numbers = {number for chunk in found for number in (*chunk.received, *chunk.confirmed)}
    for claims in former.values():
        numbers |= {number for claim in claims for number in (claim.received, claim.confirmed)}
    deliveries = Delivery.objects.in_bulk(numbers)

    def told(received: int, confirmed: int) -> Told:
        first, last = deliveries.get(received), deliveries.get(confirmed)
        return Told(
            first.received_at if first else None,
            first.correlation_uid if first else None,
            last.received_at if last else None,
        )

    since = None if selection.since is None else selection.since.timestamp()
    until = None if selection.until is None else selection.until.timestamp()
    after = selection.after
    for chunk in found:
        columns, count = _columns(chunk), chunk.count
        behind = after.end if after is not None and after.series_id == chunk.series_id else None
        for offset, amount, status, received, confirmed in zip(
            columns.all_offsets(),
            columns.amounts,
            columns.all_statuses(),
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
                chunks.decimal(amount, chunk.exponent),
                None if status == NO_STATUS else status,
                told(received, confirmed),
                [
                    Former(
                        _shown(claim.millionths, chunk.exponent),
                        None if claim.status == NO_STATUS else claim.status,
                        told(claim.received, claim.confirmed),
                    )
                    for claim in claims
                ],
                Position(chunk.series_id, chunk.start, end),
            )
            if selection.late is None or reading.is_late == selection.late:
                yield reading


def _former(found: Sequence[Chunk]) -> dict[tuple[int, int], list[FormerClaim]]:
    begin = min(chunk.begin for chunk in found)
    end = max(chunk.begin + max(_offsets(chunk)) for chunk in found)
    rows = FormerClaim.objects.filter(
        series__in={chunk.series_id for chunk in found},
        interval_end__gt=datetime.fromtimestamp(begin, UTC),
        interval_end__lte=datetime.fromtimestamp(end, UTC),
    )
    former: dict[tuple[int, int], list[FormerClaim]] = {}
    for claim in rows.order_by("received", "pk"):
        former.setdefault((claim.series_id, int(claim.interval_end.timestamp())), []).append(claim)
    return former


def _shown(millionths: int, exponent: int) -> Decimal:
    """With as many decimals as the value that counts has."""
    return chunks.decimal(millionths // 10 ** (exponent + DECIMALS), exponent)
