"""Readings for tests, and what is stored of them."""

import uuid
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection

from osgp.devices.models import Device
from osgp.messages.readings import Period, Readings
from osgp.readings import storing
from osgp.readings.calendar import find_day_span, list_expected_ends

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
IMPORT, EXPORT = "ACTIVE_ENERGY_IMPORT", "ACTIVE_ENERGY_EXPORT"


def utc(*parts: int) -> datetime:
    """A time in UTC."""
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]


def interval_ends(first: date, days: int = 1, step: int = 900) -> list[datetime]:
    """The interval ends of some days in Amsterdam."""
    until = first + timedelta(days=days)
    seconds = list_expected_ends(Period.INTERVAL, first, until, AMSTERDAM, step)
    assert seconds[-1] == find_day_span(until, AMSTERDAM).begin
    return [datetime.fromtimestamp(second, UTC) for second in seconds]


def column(
    ends: Sequence[datetime],
    values: Sequence[Any] | None = None,
    *,
    quantity: str = IMPORT,
    period: Period = Period.INTERVAL,
    **fields: Any,
) -> Readings:
    """A column in Wh, told in kWh; values 1000, 1001, ... unless told."""
    numbers = list(range(1000, 1000 + len(ends))) if values is None else values
    return Readings(quantity, period, ends, numbers, **{"unit": "kWh", "exponent": -3} | fields)


def deliver(device: Device, *told: Readings, uid: uuid.UUID | None = None) -> int:
    """Store as visits do; returns the delivery's number."""
    kept = storing.prepare(device, told)
    assert kept is not None
    return storing.store(kept, uid or uuid.uuid4(), "PeriodicMeterReads")


def rows(*columns: str, order: str = "quantity, interval_end") -> list[tuple[Any, ...]]:
    """The view with a row per value, as users would ask it."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(columns)} FROM readings_value ORDER BY {order}")  # noqa: S608
        return [tuple(map(_plain, row)) for row in cursor.fetchall()]


def _plain(value: Any) -> Any:
    """SQLite's view gives times and decimals as text."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    return str(value) if isinstance(value, Decimal) else value
