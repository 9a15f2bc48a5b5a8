"""Storing what was read: once, however often; late, changed and odd values; several writers."""

import uuid
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from osgp.devices.models import Device
from osgp.messages.readings import Period
from osgp.readings import clock, storing
from osgp.readings.models import Chunk, Completeness, Delivery, FormerClaim, Series
from tests.devices.concurrency import at_once
from tests.readings.columns import EXPORT, column, deliver, interval_ends, rows, utc

DAY = date(2026, 10, 14)


@pytest.mark.django_db
def test_a_day_of_two_quantities(device: Device) -> None:
    ends = interval_ends(DAY)
    statuses = [0] * 95 + [128]
    uid = uuid.uuid4()
    deliver(
        device, column(ends, statuses=statuses), column(ends, quantity=EXPORT, statuses=statuses), uid=uid
    )
    found = rows("quantity", "interval_end", "value", "unit", "status", "period")
    assert len(found) == 192
    assert found[0] == ("1-0:1.8.0.255", "2026-10-13 22:15:00", "1.000", "kWh", 0, "INTERVAL")
    assert found[95] == ("1-0:1.8.0.255", "2026-10-14 22:00:00", "1.095", "kWh", 128, "INTERVAL")
    assert {row[0] for row in found} == {"1-0:1.8.0.255", "1-0:2.8.0.255"}
    delivery = Delivery.objects.get()
    assert (delivery.correlation_uid, delivery.device) == (uid, device)
    assert Chunk.objects.count() == 2


@pytest.mark.django_db
def test_the_same_again_is_stored_once_and_confirmed(device: Device) -> None:
    ends = interval_ends(DAY)
    first = deliver(device, column(ends))
    second = deliver(device, column(ends))
    chunk = Chunk.objects.get()
    assert (chunk.received, chunk.confirmed, chunk.count) == ([first], [second], 96)
    assert not FormerClaim.objects.exists()


@pytest.mark.django_db
def test_late_values_fill_a_gap_and_tell_when_they_were_received(device: Device) -> None:
    ends = interval_ends(DAY)
    values = list(range(96))
    first = deliver(device, column(ends[:40] + ends[60:], values[:40] + values[60:]))
    second = deliver(device, column(ends[30:70], values[30:70]))
    chunk = Chunk.objects.get()
    assert (chunk.count, chunk.amounts, chunk.step) == (96, values, 900)
    assert chunk.received == [first] * 40 + [second] * 20 + [first] * 36
    assert chunk.confirmed == [first] * 30 + [second] * 40 + [first] * 26


@pytest.mark.django_db
def test_a_changed_value_keeps_the_old_one_visible(device: Device) -> None:
    ends = interval_ends(DAY)
    deliveries = [deliver(device, column(ends, [number] * 96)) for number in (7, 8, 7, 9)]
    assert {row[0] for row in rows("value")} == {"0.009"}
    claims = FormerClaim.objects.filter(interval_end=ends[0]).order_by("millionths")
    assert list(claims.values_list("millionths", "received", "confirmed")) == [
        (7000, deliveries[0], deliveries[2]),
        (8000, deliveries[1], deliveries[1]),
    ]
    assert FormerClaim.objects.count() == 192


@pytest.mark.django_db
def test_what_a_meter_says_once_more_counts_again(device: Device) -> None:
    for number in (7, 8, 7):
        deliver(device, column([utc(2026, 10, 14, 12)], [number]))
    assert rows("value") == [("0.007",)]
    assert FormerClaim.objects.get().millionths == 8000


@pytest.mark.django_db
def test_a_status_that_changed_is_a_change(device: Device) -> None:
    for status in (4, 64):
        deliver(device, column([utc(2026, 10, 14, 12)], [7], statuses=[status]))
    assert rows("status") == [(64,)]
    assert FormerClaim.objects.get().status == 4


@pytest.mark.django_db
def test_more_decimals_are_no_change(device: Device) -> None:
    end = [utc(2026, 10, 14, 12)]
    deliver(device, column(end, [7], exponent=0), column(end, [7], quantity=EXPORT, exponent=0))
    deliver(device, column(end, [Decimal("7.00")], exponent=0))
    assert rows("quantity", "value") == [("1-0:1.8.0.255", "7.00"), ("1-0:2.8.0.255", "7")]
    assert not FormerClaim.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(("day", "count"), [(date(2026, 3, 29), 92), (date(2025, 10, 26), 100)])
def test_days_on_which_clocks_change_are_one_chunk(device: Device, day: date, count: int) -> None:
    deliver(device, column(interval_ends(day)))
    chunk = Chunk.objects.get()
    assert (chunk.start, chunk.count, chunk.step) == (day, count, 900)
    assert _full_days() == [(day.replace(day=1), 1 << day.day - 1)]


@pytest.mark.django_db
def test_a_value_at_midnight_belongs_to_the_day_before(device: Device) -> None:
    deliver(device, column([utc(2026, 10, 14, 22), utc(2026, 10, 14, 22, 15)]))
    assert list(Chunk.objects.order_by("start").values_list("start", "count")) == [
        (DAY, 1),
        (DAY + timedelta(days=1), 1),
    ]


@pytest.mark.django_db
def test_days_and_months_are_kept_by_month(device: Device) -> None:
    daily = [utc(2026, 9, 29, 22), utc(2026, 9, 30, 22), utc(2026, 10, 24, 22), utc(2026, 10, 25, 23)]
    deliver(
        device,
        column(daily, quantity="ACTIVE_ENERGY_IMPORT_RATE_1", period=Period.DAILY),
        column([utc(2026, 9, 30, 22)], quantity="ACTIVE_ENERGY_IMPORT_RATE_1", period=Period.MONTHLY),
    )
    september, october = date(2026, 9, 1), date(2026, 10, 1)
    assert _full_days("DAILY") == [(september, 0b11 << 28), (october, 1 << 23 | 1 << 24)]
    assert _full_days("MONTHLY") == [(september, 1)]


@pytest.mark.django_db
def test_actual_values_are_put_behind_one_another(device: Device) -> None:
    noon = utc(2026, 10, 14, 12)
    minutes = [0, 7, 9, 9, 3, 20]
    deliveries = [
        deliver(device, column([noon + timedelta(minutes=minute)], [minute], period=Period.ACTUAL))
        for minute in minutes
    ]
    chunk = Chunk.objects.get()
    assert (chunk.amounts, chunk.count) == ([0, 3, 7, 9, 20], 5)
    assert chunk.received == [deliveries[place] for place in (0, 4, 1, 2, 5)]
    assert chunk.confirmed == [deliveries[place] for place in (0, 4, 1, 3, 5)]
    assert [row[0] for row in rows("value")] == ["0.000", "0.003", "0.007", "0.009", "0.020"]
    assert not Completeness.objects.exists()


@pytest.mark.django_db
def test_a_device_that_moved_to_another_time_zone_keeps_its_days(device: Device) -> None:
    deliver(device, column(interval_ends(DAY)))
    device.time_zone = "Asia/Tokyo"
    deliver(device, column(interval_ends(DAY, 2)), column(interval_ends(DAY), quantity=EXPORT))
    series = Series.objects.order_by("quantity").values_list("time_zone", flat=True)
    assert list(series) == ["Europe/Amsterdam", "Asia/Tokyo"]
    assert _full_days() == [(date(2026, 10, 1), 0b11 << 13), (date(2026, 10, 1), 0)]


@pytest.mark.django_db
def test_a_series_begins_with_its_first_value(device: Device, gas_meter: Device) -> None:
    """In whatever order values come, and also where it began in another time zone."""
    ends = interval_ends(date(2026, 10, 14), 3)

    def first_ends() -> list[int | None]:
        return list(Series.objects.order_by("quantity").values_list("first_end", flat=True))

    deliver(device, column(ends[100:]))
    assert first_ends() == [ends[100].timestamp()]
    deliver(device, column(ends[150:200], quantity=EXPORT), column(ends[50:60]))
    deliver(device, column(ends[200:]))
    assert first_ends() == [ends[50].timestamp(), ends[150].timestamp()]
    Device.objects.update(time_zone="Europe/Lisbon")
    device.refresh_from_db()
    deliver(device, column(ends[10:20]))
    assert first_ends() == [ends[10].timestamp(), ends[150].timestamp()]
    Series.objects.update(first_end=None)
    deliver(device, column(ends[:5]))
    assert first_ends() == [None, None]


def test_completeness_grows_with_parts_of_a_day(device: Device) -> None:
    ends = interval_ends(DAY)
    for part in (ends[:50], ends[60:], ends[40:59]):
        deliver(device, column(part, [1] * len(part)))
        assert _full_days() == [(date(2026, 10, 1), 0)]
    deliver(device, column(ends[59:60], [1]))
    assert _full_days() == [(date(2026, 10, 1), 1 << 13)]


@pytest.mark.django_db
def test_a_gas_meter_is_kept_by_its_channel(gas_meter: Device) -> None:
    ends = interval_ends(DAY, step=3600)
    told = column(ends, quantity="MBUS_MASTER_VALUE", unit="m³", capture_period=3600)
    deliver(gas_meter, told)
    series = Series.objects.get()
    assert (series.quantity, series.channel, series.unit) == ("0-1:24.2.2.255", 1, "m³")
    assert _full_days() == [(date(2026, 10, 1), 1 << 13)]


@pytest.mark.django_db
def test_hostile_values_are_left_out_and_the_others_kept(
    device: Device, caplog: pytest.LogCaptureFixture
) -> None:
    good = utc(2026, 10, 14, 12)
    odd: list[Any] = [Decimal("NaN"), Decimal("Infinity"), Decimal("1E+999999"), Decimal("1E-999999")]
    odd += [Decimal(10**12), Decimal("-1E12"), Decimal("0.0000001"), 10**40]
    ends = [good + timedelta(minutes=15 * number) for number in range(len(odd) + 1)]
    deliver(device, column(ends, [Decimal("999999999999.999999"), *odd], exponent=0))
    assert rows("value") == [("999999999999.999999",)]
    assert "8 values" in caplog.text


@pytest.mark.django_db
@pytest.mark.parametrize("exponent", [-100, -24, 24, 100, 13])
def test_hostile_exponents(device: Device, exponent: int) -> None:
    assert storing.prepare(device, [column([utc(2026, 10, 14)], [7], exponent=exponent)]) is None
    assert storing.prepare(device, [column([utc(2026, 10, 14)], [0], exponent=exponent)]) is not None


@pytest.mark.django_db
def test_hostile_times_and_statuses(device: Device, settings: Settings) -> None:
    settings.OSGP = settings.OSGP | {"READINGS_RETENTION": timedelta(days=365)}
    now = clock.now()
    ends = [utc(1, 1, 1), utc(9999, 12, 31), now - timedelta(days=366), now + timedelta(days=2), now, now]
    assert storing.prepare(device, [column(ends[:4])]) is None
    kept = storing.prepare(device, [column(ends, statuses=[0, 0, 0, 0, 2**15, -5])])
    assert kept is None
    deliver(device, column(ends, statuses=[0, 0, 0, 0, None, 3]))
    assert rows("status") == [(3,)]


@pytest.mark.django_db
def test_null_data_is_no_value(device: Device) -> None:
    ends = interval_ends(DAY)
    assert storing.prepare(device, [column(ends, [None] * 96)]) is None
    deliver(device, column(ends[:3], [1, None, 3]))
    assert rows("value") == [("0.001",), ("0.003",)]


@pytest.mark.django_db
def test_a_time_that_comes_twice_counts_once(device: Device) -> None:
    end = utc(2026, 10, 14, 12)
    deliver(device, column([end, end - timedelta(hours=1), end], [1, 2, 3]))
    assert rows("interval_end", "value") == [
        ("2026-10-14 11:00:00", "0.002"),
        ("2026-10-14 12:00:00", "0.003"),
    ]


@pytest.mark.django_db
def test_nothing_is_kept_of_an_outcome_that_is_not(device: Device) -> None:
    with transaction.atomic():
        deliver(device, column(interval_ends(DAY)))
        transaction.set_rollback(True)
    assert not Delivery.objects.exists()
    assert rows("value") == []
    deliver(device, column(interval_ends(DAY)))
    assert len(rows("value")) == 96


@pytest.mark.django_db
def test_a_month_takes_as_many_statements_as_a_day(device: Device) -> None:
    def tell(days: int) -> None:
        ends = interval_ends(date(2026, 10, 1), days)
        deliver(device, column(ends), column(ends, quantity=EXPORT))

    tell(1)
    with CaptureQueriesContext(connection) as queries:
        tell(28)
    assert Chunk.objects.count() == 56
    if connection.vendor == "postgresql":
        assert len(queries) <= 8


@pytest.mark.django_db(transaction=True)
def test_several_writers_on_one_series(device: Device) -> None:
    ends = interval_ends(date(2026, 10, 1), 7)

    def write(number: int) -> list[tuple[int, list[datetime], int]]:
        written = []
        for repeat in range(3):
            part = ends[(number + repeat) % 4 :: 2]
            told = [number + 1] * len(part)
            written.append(
                (deliver(device, column(part, told), column(part, quantity=EXPORT)), part, told[0])
            )
        return written

    outcomes = at_once(4, write)
    assert [outcome for outcome in outcomes if isinstance(outcome, Exception)] == []
    claims: dict[datetime, dict[int, int]] = {}
    for delivery, part, amount in sorted(one for outcome in outcomes for one in outcome):  # type: ignore[union-attr]
        for end in part:
            claims.setdefault(end, {})[amount] = delivery
    current = {end: max(seen, key=lambda amount: seen[amount]) for end, seen in claims.items()}
    assert rows("value", order="quantity, interval_end")[: len(ends)] == [
        (f"0.00{current[end]}",) for end in ends
    ]
    series = Series.objects.get(quantity="1-0:1.8.0.255")
    former = FormerClaim.objects.filter(series=series).values_list("interval_end", "millionths", "confirmed")
    assert set(former) == {
        (end, amount * 1000, delivery)
        for end, seen in claims.items()
        for amount, delivery in seen.items()
        if amount != current[end]
    }


def _full_days(period: str = "INTERVAL") -> list[tuple[date, int]]:
    series = Series.objects.filter(period=period).values_list("pk", flat=True)
    found = Completeness.objects.filter(series_id__in=list(series)).order_by("month")
    return list(found.values_list("month", "full_days"))
