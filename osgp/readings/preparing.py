"""Turning an operation's readings into columns that can be stored: bounds checked, split by day and month."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol, cast
from zoneinfo import ZoneInfo

from osgp import catalogue
from osgp.catalogue import obis
from osgp.messages.readings import DECIMALS, LARGEST, Readings
from osgp.readings.buffers import find_interval_seconds
from osgp.readings.calendar import Span, find_span
from osgp.readings.chunks import NO_STATUS

logger = logging.getLogger(__name__)

LARGEST_STATUS = 2**15 - 1
"""What the columns of the database hold; a message has held the status to its profile before."""
_LARGEST_UNIT = 24


class ReadDevice(Protocol):
    """What must be known of the device that was read."""

    @property
    def identification(self) -> str: ...
    @property
    def protocol_name(self) -> str: ...
    @property
    def protocol_version(self) -> str: ...
    @property
    def time_zone(self) -> str: ...
    @property
    def channel(self) -> int | None: ...


@dataclass(frozen=True, slots=True)
class Column:
    """Values of one series as they came: times in seconds since 1970, ascending, each once."""

    quantity: str
    """OBIS code, ``1-0:1.8.0.255``."""
    period: str
    unit: str
    capture_period: int
    exponent: int
    ends: Sequence[int]
    amounts: Sequence[int]
    statuses: Sequence[int] | None

    @property
    def series(self) -> tuple[str, str, str]:
        """The key of the series within its device."""
        return self.quantity, self.period, self.unit

    def iterate_spans(self, zone: ZoneInfo) -> Iterator[tuple[Span, int, int]]:
        """Yield the days or months of the values in ``zone``, each with its first and end place."""
        place, count = 0, len(self.ends)
        while place < count:
            span = find_span(self.period, self.ends[place], zone)
            behind = place + 1
            while behind < count and self.ends[behind] <= span.end:
                behind += 1
            yield span, place, behind
            place = behind


def make_columns(
    device: ReadDevice, readings: Iterable[Readings], earliest: datetime, latest: datetime
) -> list[Column]:
    """Return the columns to store. Values out of bounds are logged and left out.

    ``earliest`` and ``latest`` bound interval ends.
    """
    columns = []
    profile = catalogue.find_profile(device.protocol_name, device.protocol_version)
    bounds = int(earliest.timestamp()), int(latest.timestamp())
    seconds: dict[int, list[int]] = {}
    refused = 0
    for each in readings:
        item = profile[each.quantity]
        quantity = obis.to_text(item.get_logical_name(device.channel if item.per_channel else None))
        ends = seconds.get(id(each.interval_ends))
        if ends is None:
            ends = seconds[id(each.interval_ends)] = [int(end.timestamp()) for end in each.interval_ends]
        capture_period = each.capture_period or find_interval_seconds(profile, each.quantity)
        column, left_out = _make_column(each, quantity, capture_period, ends, bounds)
        refused += left_out
        if column is not None:
            columns.append(column)
    if refused:
        logger.warning("%s: %d values are out of bounds and not stored", device.identification, refused)
    return columns


def _make_column(
    readings: Readings, quantity: str, capture_period: int, ends: Sequence[int], bounds: tuple[int, int]
) -> tuple[Column | None, int]:
    exponent, amounts = _to_integers(readings.values, readings.exponent)
    limit = LARGEST * 10**-exponent if exponent <= 0 else LARGEST // 10**exponent
    statuses = readings.statuses
    first, last = bounds
    good = _check_columns(ends, amounts, statuses, limit, first, last)
    refused = 0
    if good is None:
        rows: dict[int, tuple[int, int]] = {}
        for place, end in enumerate(ends):
            amount = amounts[place]
            status = NO_STATUS if statuses is None or statuses[place] is None else statuses[place]
            if amount is None:
                continue
            assert status is not None
            if not (
                first <= end <= last and -limit < amount < limit and NO_STATUS <= status <= LARGEST_STATUS
            ):
                refused += 1
                continue
            rows[end] = (amount, status)
        good_ends = sorted(rows)
        good = good_ends, [rows[end][0] for end in good_ends], [rows[end][1] for end in good_ends]
    if not good[0]:
        return None, refused
    column = Column(
        quantity,
        str(readings.period),
        readings.unit_symbol[:_LARGEST_UNIT],
        capture_period,
        exponent,
        *good,
    )
    return column, refused


def _check_columns(
    ends: Sequence[int],
    amounts: Sequence[int | None],
    statuses: Sequence[int | None] | None,
    limit: int,
    first: int,
    last: int,
) -> tuple[Sequence[int], Sequence[int], Sequence[int] | None] | None:
    """Return the columns unchanged if nothing is wrong with them, as is usual."""
    if not ends or None in amounts or (statuses is not None and None in statuses):
        return None
    if ends[0] < first or ends[-1] > last or len(set(ends)) < len(ends) or list(ends) != sorted(ends):
        return None
    numbers, flags = cast(Sequence[int], amounts), cast(Sequence[int] | None, statuses)
    if min(numbers) <= -limit or max(numbers) >= limit:
        return None
    if flags is not None and not 0 <= min(flags) <= max(flags) <= LARGEST_STATUS:
        return None
    return ends, numbers, flags


_TOO_LARGE = LARGEST * 10**DECIMALS
"""Stands for a value that cannot be stored; it is out of bounds at any exponent."""


_WHOLE = {int, type(None)}


def _to_integers(
    values: Sequence[int | None] | Sequence[Decimal | None], exponent: int
) -> tuple[int, Sequence[int | None]]:
    """Return values as integers with a common exponent from -6 to 12."""
    if set(map(type, values)) <= _WHOLE:
        if -DECIMALS <= exponent <= 12:
            return exponent, values  # type: ignore[return-value]
        values = [None if value is None else Decimal(value) for value in values]
    numbers = [None if value is None else _to_number(Decimal(value), exponent) for value in values]
    finite = [number for number in numbers if number is not None and number.is_finite()]
    common = min([*(int(number.as_tuple().exponent) for number in finite), 0])
    return common, [
        None if number is None else int(number.scaleb(-common)) if number.is_finite() else _TOO_LARGE
        for number in numbers
    ]


def _to_number(value: Decimal, exponent: int) -> Decimal:
    """Return the value with at most six decimal places; NaN if it cannot be stored."""
    if not value.is_finite() or not -40 <= exponent <= 40 or not -40 <= value.adjusted() <= 40:
        return Decimal(0) if value == 0 else Decimal("NaN")
    number = value.scaleb(exponent)
    places = int(number.as_tuple().exponent)
    if places < -DECIMALS:
        rounded = round(number, DECIMALS)
        return rounded if rounded == number else Decimal("NaN")
    if abs(number) >= LARGEST:
        return Decimal("NaN")
    return number if places <= 0 else Decimal(int(number))
