"""What is past its retention is deleted, slice by slice and in turn; what fails does not stop others."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from django.utils import timezone
from pytest_django import Settings

from osgp.audit.models import AuditEntry
from osgp.processes import retention
from osgp.processes.retention import Kind, delete_oldest, make_kind
from osgp.processes.stopping import stop
from osgp.requests.models import DispatcherHeartbeat

OLD = timedelta(days=20)


@pytest.fixture
def kinds(monkeypatch: pytest.MonkeyPatch) -> dict[str, Kind]:
    """No kinds but those of the test."""
    mine: dict[str, Kind] = {}
    monkeypatch.setattr(retention, "_kinds", mine)
    return mine


@pytest.fixture
def turns(kinds: dict[str, Kind]) -> list[str]:
    return []


def register(turns: list[str], name: str, *slices: int | Exception) -> None:
    """A kind whose slices have these sizes, or fail."""
    left: Iterator[int | Exception] = iter(slices)

    def delete_slice() -> int:
        turns.append(name)
        size = next(left, 0)
        if isinstance(size, Exception):
            raise size
        return size

    retention.register(Kind(name, lambda: (), delete_slice))


def test_a_large_kind_does_not_keep_others_waiting(turns: list[str]) -> None:
    register(turns, "large", *[1000] * 5)
    register(turns, "small", 1)
    register(turns, "empty")
    assert retention.keep_house() == 5001
    assert set(turns[:3]) == {"large", "small", "empty"}
    assert set(turns[3:5]) == {"large", "small"}
    # A kind is asked until it has nothing left, and no more.
    assert turns[5:] == ["large"] * 4
    assert turns.count("empty") == 1


def test_no_kind_is_always_the_last(turns: list[str]) -> None:
    for name in "abc":
        register(turns, name)
    firsts = set()
    for _ in range(100):
        turns.clear()
        retention.keep_house()
        firsts.add(turns[0])
    assert firsts == {"a", "b", "c"}


@pytest.mark.parametrize("error", [ValueError("a defect"), OperationalError("canceled by lock timeout")])
def test_a_kind_that_fails_is_left_to_the_next_run(
    turns: list[str], error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    register(turns, "broken", error, 1)
    register(turns, "other", 5, 5)
    assert retention.keep_house() == 10
    assert turns.count("broken") == 1
    assert "broken past their retention" in caplog.text
    assert retention.keep_house() == 1


def test_a_run_ends_in_time_and_when_the_process_has_to(
    turns: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    register(turns, "endless", *[1000] * 50)
    with monkeypatch.context() as patch:
        patch.setattr(retention, "LONGEST_RUN", -1.0)
        assert retention.keep_house() == 1000
    try:
        stop.request()
        assert retention.keep_house() == 1000
    finally:
        stop.withdraw()


def beat(name: str, age: timedelta) -> DispatcherHeartbeat:
    return DispatcherHeartbeat.objects.create(name=name, beat_at=timezone.now() - age)


@pytest.fixture
def heartbeats(kinds: dict[str, Kind], settings: Settings) -> Kind:
    settings.OSGP = settings.OSGP | {"PUSH_RETENTION": timedelta(days=14)}
    kind = make_kind("heartbeats", DispatcherHeartbeat, "beat_at", "PUSH_RETENTION")
    retention.register(kind)
    return kind


@pytest.mark.django_db
def test_all_rows_of_a_model_past_a_setting(
    heartbeats: Kind, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "SLICE", 2)
    beat("young", timedelta(days=13))
    assert not retention.is_due()
    for number in range(3):
        beat(str(number), OLD - timedelta(days=number))
    assert retention.is_due()
    assert heartbeats.delete_slice() == 2
    # The oldest go first.
    assert set(DispatcherHeartbeat.objects.values_list("name", flat=True)) == {"2", "young"}
    assert [heartbeats.delete_slice(), heartbeats.delete_slice()] == [1, 0]
    assert not retention.is_due()
    settings.OSGP = settings.OSGP | {"PUSH_RETENTION": timedelta(days=12)}
    assert retention.is_due()


@pytest.mark.django_db(transaction=True)
def test_rows_that_are_locked_stay_for_now(heartbeats: Kind) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer at a time.")
    locked = beat("locked", OLD)
    beat("free", OLD)
    deleted: list[Any] = []

    def delete() -> None:
        try:
            deleted.append(delete_oldest(DispatcherHeartbeat.objects.all(), "beat_at"))
        finally:
            connection.close()

    with transaction.atomic():
        DispatcherHeartbeat.objects.select_for_update().get(pk=locked.pk)
        other = threading.Thread(target=delete)
        other.start()
        other.join()
    assert deleted == [1]
    assert list(DispatcherHeartbeat.objects.all()) == [locked]


def test_what_the_platform_forgets() -> None:
    kinds = retention.list_kinds()
    assert {kind.name for kind in kinds} >= {
        "former keys",
        "idempotency keys",
        "message logs",
        "requests and visits",
        "system notes",
    }


@pytest.mark.django_db
def test_kinds_find_rows_of_their_own_and_never_the_audit_trail() -> None:
    models = [rows.model for kind in retention.list_kinds() for rows in kind.find_expired()]
    assert models
    assert AuditEntry not in models
