"""Partitions are there before they are needed, and go when they are past the retention."""

from datetime import date, timedelta

import pytest
from django.db import connection
from pytest_django import Settings

from osgp.devices.models import Device
from osgp.processes import duties
from osgp.readings import clock, partitions, retention, tasks
from osgp.readings.models import Chunk, Completeness, Delivery, FormerClaim, Series
from tests.readings.columns import column, deliver, interval_ends, rows, utc

pytestmark = pytest.mark.django_db(transaction=True)

NOW = utc(2026, 11, 26, 7)


@pytest.fixture(autouse=True)
def _later(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.OSGP = settings.OSGP | {"READINGS_RETENTION": timedelta(days=365)}
    monkeypatch.setattr(clock, "now", lambda: NOW)


def test_old_months_go_with_all_that_belongs_to_them(
    device: Device, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, young = date(2025, 12, 3), date(2026, 11, 3)
    for day in (old, young):
        ends = interval_ends(day)
        deliver(device, column(ends, [1] * 96))
        deliver(device, column(ends, [2] * 96))
    old_deliveries = list(Delivery.objects.order_by("pk").values_list("pk", flat=True)[:2])
    Delivery.objects.filter(pk__in=old_deliveries).update(received_at=utc(2025, 12, 4))
    tasks.keep_house()
    assert Chunk.objects.count() == 2
    monkeypatch.setattr(clock, "now", lambda: utc(2027, 1, 3))
    assert retention.is_due()
    tasks.keep_house()
    assert not retention.is_due()
    assert Chunk.objects.get().start == young
    assert len(rows("value")) == 96
    assert FormerClaim.objects.count() == 96
    assert Completeness.objects.get().month == young.replace(day=1)
    assert not Delivery.objects.filter(pk__in=old_deliveries).exists()
    assert Delivery.objects.count() == 2
    assert Series.objects.count() == 1
    if connection.vendor == "postgresql":
        assert partitions.list_tables()[0] >= "readings_chunk_2026_01"


def test_a_month_stays_while_some_of_it_is_within_the_retention(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(device, column(interval_ends(date(2025, 12, 31))))
    monkeypatch.setattr(clock, "now", lambda: utc(2026, 12, 31, 12))
    tasks.keep_house()
    assert Chunk.objects.exists()


def test_without_a_retention_everything_stays(device: Device, settings: Settings) -> None:
    settings.OSGP = settings.OSGP | {"READINGS_RETENTION": None}
    deliver(device, column(interval_ends(date(2003, 1, 1))))
    tasks.keep_house()
    assert len(rows("value")) == 96


def test_what_is_past_the_retention_is_not_stored_anew(device: Device) -> None:
    ends = [NOW - timedelta(days=366), NOW - timedelta(days=364)]
    deliver(device, column(ends))
    assert len(rows("value")) == 1


def test_this_month_and_the_next_are_there_ahead() -> None:
    tasks.keep_house()
    if connection.vendor == "postgresql":
        assert {"readings_chunk_2026_11", "readings_chunk_2026_12"} <= set(partitions.list_tables())
    assert not retention.is_due()


def test_a_partition_that_somebody_drops_is_made_again(device: Device) -> None:
    ends = interval_ends(date(2026, 11, 3))
    deliver(device, column(ends))
    Chunk.objects.all().delete()
    if connection.vendor == "postgresql":
        partitions.drop_before(date(2027, 6, 1))
        assert partitions.list_tables() == []
    deliver(device, column(ends))
    assert len(rows("value")) == 96


def test_dispatchers_look_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    hinted: list[object] = []
    monkeypatch.setattr(tasks.keep_house, "apply_async", lambda **options: hinted.append(options))
    for is_due in (True, False):
        monkeypatch.setattr(duties._duties["readings"], "is_due", lambda is_due=is_due: is_due)
        duties.Rounds().make()
    assert len(hinted) == 1
