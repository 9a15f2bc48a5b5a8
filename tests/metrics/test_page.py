"""GET /metrics: who may read it, and that it tells what is the case."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.checks import run_checks
from django.db import OperationalError
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from osgp.accounts.models import Organisation
from osgp.devices.models import Device
from osgp.metrics import page, rollup, snapshot
from osgp.metrics.models import Counter, Snapshot
from osgp.processes import heartbeats
from osgp.processes.heartbeats import ProcessKind
from osgp.requests import liveness
from osgp.requests.models import RequestState, SessionState, VisitLane
from osgp.requests.slots import HELD_BACK, make_details
from tests import factories
from tests.metrics import grammar, rows

pytestmark = pytest.mark.django_db

TOKEN = "a token of its own"
FAR_AWAY = {"REMOTE_ADDR": "203.0.113.7"}


@pytest.fixture
def protected(settings: Settings) -> None:
    settings.OSGP = settings.OSGP | {"METRICS_TOKEN": TOKEN}


def scrape() -> dict[str, grammar.ReadFamily]:
    answer = Client().get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    return grammar.read(answer.content.decode())


def value(family: str, suffix: str = "", **labels: str) -> float:
    return scrape()[family].samples[family + suffix, tuple(sorted(labels.items()))]


# --- Access --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
def test_from_this_machine_without_a_token(address: str) -> None:
    assert Client(REMOTE_ADDR=address).get("/metrics").status_code == 200


@pytest.mark.parametrize("address", ["203.0.113.7", "10.0.0.1", "2001:db8::1", "", "unix:", "nonsense"])
@pytest.mark.usefixtures("protected")
def test_from_elsewhere_only_with_the_token(address: str) -> None:
    client = Client(REMOTE_ADDR=address)
    refused = client.get("/metrics")
    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"].startswith("Bearer")
    assert b"osgp_" not in refused.content
    for wrong in ("Bearer", "Bearer ", "Bearer a", f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer ä", TOKEN):
        assert client.get("/metrics", headers={"Authorization": wrong}).status_code == 401
    assert client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200


@pytest.mark.parametrize(
    "header", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Via", "X-Forwarded-Host", "X-Forwarded-Proto"]
)
def test_a_call_through_a_proxy_is_not_from_this_machine(header: str) -> None:
    assert Client().get("/metrics", headers={header: "127.0.0.1"}).status_code == 401


def test_no_token_is_not_an_empty_one(settings: Settings) -> None:
    settings.OSGP = settings.OSGP | {"METRICS_TOKEN": ""}
    assert Client(**FAR_AWAY).get("/metrics", headers={"Authorization": "Bearer "}).status_code == 401


def test_networks_are_settings(settings: Settings) -> None:
    settings.OSGP = settings.OSGP | {"METRICS_NETWORKS": ["203.0.113.0/24"]}
    assert Client(**FAR_AWAY).get("/metrics").status_code == 200
    assert Client().get("/metrics").status_code == 401
    settings.OSGP = settings.OSGP | {"METRICS_NETWORKS": ["203.0.113.7/24"]}
    assert "osgp.E003" in [error.id for error in run_checks()]
    settings.OSGP = settings.OSGP | {"METRICS_NETWORKS": []}
    assert Client().get("/metrics").status_code == 401


def test_only_reading() -> None:
    assert Client().post("/metrics").status_code == 405
    assert Client().head("/metrics").status_code == 200


def test_a_lost_database_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise OperationalError("gone")

    monkeypatch.setattr(page.snapshot, "read_latest", fail)
    answer = Client().get("/metrics")
    assert answer.status_code == 503
    assert b"gone" not in answer.content


# --- Content -------------------------------------------------------------------------------------------


def test_an_empty_platform() -> None:
    found = scrape()
    assert value("osgp_dispatcher_lag_seconds") == 0
    assert value("osgp_dispatcher_heartbeat_age_seconds") == float("inf")
    assert value("osgp_queue_age_seconds", priority="9") == 0
    assert found["osgp_requests_completed_total"].samples == {}
    # Without a zero before it, the first lost session would be none to Prometheus.
    assert value("osgp_sessions_ended_total", state="LOST", fault_code="", fault="") == 0


@pytest.mark.parametrize(
    ("accept", "openmetrics"),
    [
        (
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
            "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            True,
        ),
        ("application/openmetrics-text", True),
        ("text/plain;version=0.0.4", False),
        ("*/*", False),
        ("text/html", False),
        ("", False),
    ],
)
def test_formats(organisation: Organisation, device: Device, accept: str, openmetrics: bool) -> None:
    rows.request(organisation, device)
    rows.session(device)
    rollup.advance()
    answer = Client().get("/metrics", headers={"Accept": accept})
    assert answer.headers["Content-Type"].startswith(
        "application/openmetrics" if openmetrics else "text/plain"
    )
    found = grammar.read(answer.content.decode(), openmetrics=openmetrics)
    name = "osgp_requests_completed" if openmetrics else "osgp_requests_completed_total"
    assert sum(found[name].samples.values()) == 1


def test_counters_and_histograms(organisation: Organisation, device: Device) -> None:
    fault = {"code": 225, "name": "CONNECTION_REFUSED"}
    rows.request(organisation, device, state=RequestState.FAILED, fault=fault, priority=9)
    rows.session(device)
    rollup.advance()
    failed = {
        "message": "ActualMeterReads",
        "state": "FAILED",
        "fault_code": "225",
        "fault": "CONNECTION_REFUSED",
    }
    assert value("osgp_requests_completed_total", **failed) == 1
    assert value("osgp_request_wait_seconds", "_bucket", priority="9", le="2.5") == 0
    assert value("osgp_request_wait_seconds", "_bucket", priority="9", le="5.0") == 1
    assert value("osgp_request_wait_seconds", "_sum", priority="9") == 4
    assert value("osgp_session_duration_seconds", "_sum") == 2
    assert value("osgp_session_duration_seconds", "_count") == 1
    assert value("osgp_associations_total") == 1


def test_buckets_of_a_former_release_are_kept() -> None:
    Counter.objects.create(name="osgp_session_duration_seconds", labels='{"le": "0.2"}', value=3)
    Counter.objects.create(name="osgp_session_duration_seconds", labels='{"le": "9999.0"}', value=4)
    assert value("osgp_session_duration_seconds", "_bucket", le="0.1") == 0
    assert value("osgp_session_duration_seconds", "_bucket", le="0.25") == 3
    assert value("osgp_session_duration_seconds", "_count") == 7


def test_queue_age_and_dispatcher_lag(organisation: Organisation, device: Device) -> None:
    now = timezone.now()
    for priority, minutes in ((9, 1), (9, 3), (4, 10), (0, -60)):
        due = now - timedelta(minutes=minutes)
        factories.make_request(organisation, device, effective_priority=priority, due_at=due)
    assert 180 <= value("osgp_queue_age_seconds", priority="9") < 300
    assert 600 <= value("osgp_queue_age_seconds", priority="4") < 720
    assert value("osgp_queue_age_seconds", priority="0") == 0
    assert 600 <= value("osgp_dispatcher_lag_seconds") < 720
    scheduled = {"state": RequestState.SCHEDULED, "due_at": now - timedelta(hours=1)}
    factories.make_request(organisation, device, **scheduled)
    assert 3600 <= value("osgp_dispatcher_lag_seconds") < 3720
    liveness.beat()
    assert value("osgp_dispatcher_heartbeat_age_seconds") < 60


def test_sessions_open(device: Device) -> None:
    rows.session(device, state=SessionState.CLAIMED, is_over=False)
    rows.session(factories.make_device("E2"), state=SessionState.OPENED, is_over=False)
    rows.session(factories.make_device("E3"), state=SessionState.OPENED, is_over=False)
    rows.session(device)
    assert value("osgp_sessions_open", state="OPENED") == 2
    assert value("osgp_sessions_open", state="CLAIMED") == 1


def test_how_slots_are_shared(device: Device) -> None:
    assert value("osgp_slots") == 0
    heartbeats.beat(ProcessKind.WORKER, "a", make_details(500), ["meter"])
    heartbeats.beat(ProcessKind.DISPATCHER, "b", {HELD_BACK: ["slots"]})
    rows.session(device, state=SessionState.CLAIMED, is_over=False, lane=VisitLane.SLOW)
    assert value("osgp_slots") == 500
    assert [value("osgp_visits", lane=lane) for lane in VisitLane.values] == [0, 0, 1]
    assert value("osgp_held_back", reason="slots") == 1
    assert value("osgp_held_back", reason="network") == 0


def test_how_far_the_counting_has_come() -> None:
    rollup.advance()
    assert 1 <= value("osgp_rollup_lag_seconds", rows="requests") < 60
    assert 1 <= value("osgp_rollup_lag_seconds", rows="sessions") < 60


def test_what_is_pending_as_last_counted(organisation: Organisation, device: Device) -> None:
    assert "osgp_workers" in scrape()
    for state in ("QUEUED", "QUEUED", "SCHEDULED", "RETRYING", "RUNNING"):
        factories.make_request(organisation, device, state=RequestState(state))
    rows.request(organisation, device)
    factories.make_device("E2", failed_connections=2)
    recently = {"closed_at": timezone.now()}
    for worker in ("one", "two", "two", ""):
        rows.session(device, worker=worker, **recently)
    rows.session(device, worker="long ago")
    assert snapshot.refresh()
    found = scrape()
    assert sum(found["osgp_requests_pending"].samples.values()) == 5
    assert value("osgp_requests_pending", message="SynchronizeTime", state="QUEUED") == 2
    assert value("osgp_devices", device_type="SMART_METER_E", lifecycle_status="IN_USE") == 2
    assert value("osgp_devices_failing") == 1
    assert value("osgp_workers") == 2
    assert value("osgp_counted_age_seconds") < 60


def test_counting_takes_turns_and_a_small_share_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    assert snapshot.refresh()
    assert not snapshot.refresh()
    long_enough = timezone.now() - timedelta(seconds=snapshot.EVERY + 1)
    Snapshot.objects.update(taken_at=long_enough)
    assert snapshot.refresh()
    Snapshot.objects.update(taken_at=long_enough, seconds=10)
    assert not snapshot.refresh()


def test_a_scrape_is_cheap_and_does_not_depend_on_the_number_of_rows(
    organisation: Organisation, device: Device, django_assert_max_num_queries: Any
) -> None:
    for _ in range(20):
        rows.request(organisation, device)
        factories.make_request(organisation, device)
    rollup.advance()
    with django_assert_max_num_queries(14) as queries:
        Client().get("/metrics")
    read = [query["sql"] for query in queries.captured_queries]
    assert not [sql for sql in read if "requests_request" in sql and "ORDER BY due_at LIMIT 1" not in sql]
