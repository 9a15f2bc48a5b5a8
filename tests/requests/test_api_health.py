"""healthz and readyz tell the truth, to anybody."""

import socket
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone
from kombu import Connection
from rest_framework.test import APIClient

from osgp.requests import liveness
from osgp.requests.api import health
from osgp.requests.models import DispatcherHeartbeat


@pytest.fixture
def readyz(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Any]:
    """Calls readyz as if nothing had been checked before."""
    monkeypatch.setattr(health, "_migrated", False)
    monkeypatch.setattr(health, "CHECKED_EVERY", 0)
    return lambda: APIClient().get("/readyz")


@pytest.fixture
def dispatcher(db: None) -> None:
    """A dispatcher that was seen just now."""
    liveness.beat()


def test_the_process_is_alive_whatever_else_is_not() -> None:
    assert APIClient().get("/healthz").json() == {"status": "ok"}
    assert APIClient().post("/healthz").status_code == 405


@pytest.mark.django_db
def test_everything_is_ready(readyz: Callable[[], Any], dispatcher: None) -> None:
    answer = readyz()
    assert answer.status_code == 200
    assert answer.json()["checks"] == {
        "database": "ok",
        "clock": "ok",
        "migrations": "ok",
        "broker": "ok",
        "dispatcher": "ok",
    }


@pytest.mark.django_db
def test_a_missing_migration_is_noticed_and_so_is_its_arrival(
    readyz: Callable[[], Any], dispatcher: None
) -> None:
    row = MigrationRecorder.Migration.objects.filter(app="requests").latest("id")
    row.delete()
    answer = readyz()
    assert (answer.status_code, answer.json()["checks"]["migrations"]) == (503, "missing")
    MigrationRecorder.Migration(app=row.app, name=row.name, applied=row.applied).save()
    assert readyz().status_code == 200


def test_a_lost_database_is_noticed(readyz: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise OperationalError("gone")

    monkeypatch.setattr(health.connection, "cursor", fail)
    answer = readyz()
    assert answer.status_code == 503
    assert answer.json()["checks"] == {
        "database": "unreachable",
        "clock": "unknown",
        "migrations": "unknown",
        "broker": "ok",
        "dispatcher": "unknown",
    }
    assert b"gone" not in answer.content


@pytest.mark.django_db
def test_a_lost_broker_is_noticed(readyz: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    nobody_listens = Connection("amqp://guest:guest@127.0.0.1:1//", connect_timeout=3)
    monkeypatch.setattr(health.app, "connection_for_write", lambda **_: nobody_listens)
    answer = readyz()
    assert (answer.status_code, answer.json()["checks"]["broker"]) == (503, "unreachable")


@pytest.mark.django_db
def test_a_broker_that_says_nothing_is_asked_once(
    readyz: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        mute.setblocking(False)
        broker = Connection(f"amqp://guest:guest@127.0.0.1:{mute.getsockname()[1]}//", connect_timeout=0.2)
        monkeypatch.setattr(health.app, "connection_for_write", lambda **_: broker)
        answer = readyz()
        assert (answer.status_code, answer.json()["checks"]["broker"]) == (503, "unreachable")
        mute.accept()[0].close()
        with pytest.raises(BlockingIOError):
            mute.accept()


def test_calls_do_not_wait_for_one_that_gets_no_answer(
    readyz: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "PATIENCE", 0.01)
    with health._checking:  # As held by a call that asks a database behind a broken network.
        answer = readyz()
    assert answer.status_code == 503
    assert set(answer.json()["checks"].values()) == {"unknown"}


def test_a_silent_dispatcher_is_noticed(readyz: Callable[[], Any], dispatcher: None) -> None:
    DispatcherHeartbeat.objects.update(beat_at=timezone.now() - timedelta(minutes=1))
    answer = readyz()
    assert (answer.status_code, answer.json()["checks"]["dispatcher"]) == (503, "silent")
    DispatcherHeartbeat.objects.all().delete()
    assert readyz().json()["checks"]["dispatcher"] == "silent"


def test_asking_often_costs_nothing(
    monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any, dispatcher: None
) -> None:
    monkeypatch.setattr(health, "_checked_at", float("-inf"))
    monkeypatch.setattr(health, "CHECKED_EVERY", 3600)
    APIClient().get("/readyz")
    with django_assert_num_queries(0):
        assert APIClient().get("/readyz").status_code == 200
    monkeypatch.undo()
