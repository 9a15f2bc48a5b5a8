"""Processes whose clock is off: heartbeats, readiness, metrics and pages tell, and nothing expires by it."""

import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from django_celery_beat.schedulers import DatabaseScheduler
from kombu.message import Message
from rest_framework.exceptions import AuthenticationFailed

from osgp import platform_time
from osgp.accounts.authentication import authenticate_bearer
from osgp.accounts.models import ApiToken, Organisation
from osgp.celery import app
from osgp.devices.models import Device
from osgp.pages.live import missing as notices
from osgp.processes import clocks, health, heartbeats
from osgp.processes.beat import Scheduler
from osgp.processes.duties import HINT_LIFETIME
from osgp.processes.health import lookout
from osgp.processes.heartbeats import ProcessKind
from osgp.processes.models import ProcessHeartbeat
from osgp.requests import liveness
from osgp.requests.api import health as readiness
from osgp.requests.models import Request
from osgp.task_request import TaskRequest
from osgp.visits import tasks
from tests.admin.conftest import signed_in
from tests.clocks.conftest import Wall
from tests.metrics import grammar

pytestmark = pytest.mark.django_db

HOURS = 3 * 3600.0


@pytest.fixture(autouse=True)
def _look_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "LOOK_EVERY", 0.0)
    monkeypatch.setattr(readiness, "CHECKED_EVERY", 0.0)
    monkeypatch.setattr(clocks, "_is_off", False)


@pytest.fixture
def operator(django_user_model: Any) -> Client:
    return signed_in(django_user_model.objects.create_superuser("marijke"))


def beat(kind: ProcessKind, name: str, queues: tuple[str, ...] = ()) -> None:
    heartbeats.beat(kind, name, queues=queues)


@pytest.fixture
def fast_worker(wall: Wall) -> None:
    """A dispatcher and two workers, of which one is three hours fast and one is four minutes slow."""
    liveness.beat()
    beat(ProcessKind.DISPATCHER, "a:1")
    beat(ProcessKind.WORKER, "worker-1@a", ("meter", "system"))
    wall.ahead = -240.0
    beat(ProcessKind.WORKER, "worker-2@b", ("meter",))
    wall.ahead = HOURS
    beat(ProcessKind.WORKER, "worker-3@c", ("meter",))
    wall.ahead = 0.0


def test_a_heartbeat_tells_how_far_the_clock_is_off(wall: Wall, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="osgp")
    offsets = []
    for ahead in (0.0, HOURS, HOURS, -1.5):
        wall.ahead = ahead
        beat(ProcessKind.WORKER, "worker-1@a")
        [process] = health.load_processes()
        assert process.clock is not None
        offsets.append(process.clock.seconds)
        assert process.is_clock_off is (ahead == HOURS)
    assert offsets == pytest.approx([0.0, HOURS, HOURS, -1.5], abs=0.3)
    assert [record.levelname for record in caplog.records] == ["ERROR", "INFO"]
    assert "+10800" in caplog.records[0].getMessage()


def test_a_process_of_a_former_release_tells_nothing() -> None:
    beat(ProcessKind.WORKER, "worker-1@a")
    ProcessHeartbeat.objects.update(details={})
    [process] = health.load_processes()
    assert (process.clock, process.is_clock_off) == (None, False)


@pytest.mark.usefixtures("fast_worker")
def test_only_processes_that_live_are_off() -> None:
    assert [each.name for each in lookout.look().clocks_off] == ["worker-3@c", "worker-2@b"]
    heartbeats.end(ProcessKind.WORKER, "worker-3@c")
    ProcessHeartbeat.objects.filter(name="worker-2@b").update(beat_at=timezone.now() - timedelta(minutes=1))
    assert lookout.look().clocks_off == []


# --- Readiness -----------------------------------------------------------------------------------------


def ready() -> tuple[int, dict[str, Any]]:
    answer = Client().get("/readyz")
    return answer.status_code, answer.json()


def test_a_web_process_whose_clock_is_off_is_not_ready(wall: Wall) -> None:
    liveness.beat()
    status, body = ready()
    assert (status, body["checks"]["clock"]) == (200, "ok")
    for ahead in (HOURS, -HOURS, 3.0):
        wall.ahead = ahead
        status, body = ready()
        assert (status, body["checks"]["clock"]) == (503, "differs")
    wall.ahead = 0.5
    assert ready()[0] == 200


@pytest.mark.usefixtures("fast_worker")
def test_readiness_warns_of_other_processes_without_their_names() -> None:
    status, body = ready()
    [warning] = body["warnings"]
    assert status == 200
    assert warning.startswith("The clocks of 2 other processes (worker) and of the database differ, by 10")
    assert "worker-3" not in str(body)
    heartbeats.beat(ProcessKind.WORKER, "worker-2@b", queues=["meter"])
    heartbeats.beat(ProcessKind.WORKER, "worker-3@c", queues=["meter"])
    assert "warnings" not in ready()[1]


# --- Metrics -------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("fast_worker")
def test_metrics_tell_each_clock(wall: Wall) -> None:
    heartbeats.end(ProcessKind.DISPATCHER, "a:1")
    wall.ahead = 30.0
    family = grammar.read(Client().get("/metrics").content.decode())["osgp_clock_offset_seconds"]
    told = {dict(labels)["process"]: number for (_, labels), number in family.samples.items()}
    own = next(name for name in told if not name.startswith("worker"))
    assert told == pytest.approx(
        {"worker-1@a": 0.0, "worker-2@b": -240.0, "worker-3@c": HOURS, own: 30.0}, abs=0.3
    )


# --- Pages ---------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("fast_worker")
def test_every_page_tells_operators_the_worst_first(operator: Client) -> None:
    text = operator.get("/admin/").content.decode()
    assert 'class="notice notice-bad"' in text
    worst = text.index("The clocks of the worker worker-3@c and of the database differ by 3:00:00")
    assert text.index("worker worker-2@b and of the database differ by 0:04:00") > worst
    assert "worker-1@a" not in text
    assert "Set the clock that is wrong" in text
    assert "chronyc tracking" in text
    live = operator.get("/admin/live/panels/").content.decode()
    assert live.count("CLOCK OFF") == 2
    listed = live[live.index('id="live-processes"') :]
    assert listed.index("worker-3@c") < listed.index("worker-2@b") < listed.index("worker-1@a")
    assert "3:00:00 from the database" in listed
    assert "+10800" in operator.get("/admin/processes/processheartbeat/").content.decode()


def test_the_clock_of_the_web_process_is_told_as_well(operator: Client, wall: Wall) -> None:
    ready()
    wall.ahead = -12.5
    assert "web application on" in operator.get("/admin/").content.decode()
    wall.ahead = 0.0
    agreed = operator.get("/admin/").content.decode()
    assert "web application on" not in agreed
    assert "Set the clock" not in agreed


def test_a_notice_stays_short(wall: Wall, operator: Client) -> None:
    wall.ahead = HOURS
    for number in range(notices.MOST_CLOCKS + 2):
        beat(ProcessKind.WORKER, f"worker-{number}@a", ("meter", "system"))
    wall.ahead = 0.0
    text = operator.get("/admin/").content.decode()
    assert text.count("and of the database differ") == notices.MOST_CLOCKS
    assert "So do those of 2 other processes" in text


# --- What expires, and what is due ---------------------------------------------------------------------


@pytest.mark.parametrize("ahead", [HOURS, -HOURS])
def test_tokens_expire_by_the_clock_of_the_database(
    organisation: Organisation, wall: Wall, ahead: float
) -> None:
    def call(expires_in: float) -> None:
        expires_at = timezone.now() + timedelta(seconds=expires_in)
        wall.ahead = ahead
        platform_time.forget()
        try:
            authenticate_bearer(f"Bearer {issue(expires_at)}")
        finally:
            wall.ahead = 0.0

    def issue(expires_at: Any) -> str:
        return ApiToken.issue(organisation, "portal", expires_at=expires_at)[1]

    call(600)
    with pytest.raises(AuthenticationFailed):
        call(-600)


@pytest.mark.parametrize("ahead", [HOURS, -HOURS])
def test_requests_are_scheduled_by_the_clock_of_the_database(
    api: Any, device: Device, wall: Wall, ahead: float
) -> None:
    states = {}
    for minutes in (-30, 30):
        at = (timezone.now() + timedelta(minutes=minutes)).isoformat()
        wall.ahead = ahead
        body = {"device_identification": device.identification, "schedule_time": at}
        answer = api.post("/api/v1/adhoc/synchronize-time/", body, format="json")
        wall.ahead = 0.0
        assert answer.status_code == 202, answer.content
        states[minutes] = answer.json()["status"]
    assert states == {-30: "QUEUED", 30: "SCHEDULED"}
    created = Request.objects.latest("pk").created_at
    assert abs(created - timezone.now()) < timedelta(minutes=5)


@pytest.mark.parametrize("ahead", [HOURS, -HOURS, 0.0])
def test_hints_expire_by_the_clock_of_the_database(wall: Wall, ahead: float) -> None:
    """Those that a process sends, and those that it receives."""

    def receive(sent: Any) -> TaskRequest:
        message = Message(headers=sent.headers, properties=sent.properties, delivery_info={})
        options = {"headers": sent.headers, "body": sent.body, "decoded": True}
        return TaskRequest(message, app=app, task=tasks.keep_house, **options)

    def send() -> Any:
        return app.amqp.as_task_v2(str(uuid.uuid4()), tasks.keep_house.name, expires=HINT_LIFETIME)

    assert tasks.keep_house.Request == "osgp.task_request:TaskRequest"
    rightly = send()
    wall.ahead = ahead
    clocks.measure()
    ours = send()
    assert receive(ours).expires - receive(rightly).expires < timedelta(minutes=2)
    assert not receive(rightly).revoked()
    wall.ahead = 0.0
    platform_time.forget()
    assert not receive(ours).revoked()
    wall.ahead = HINT_LIFETIME + 60
    assert receive(ours).revoked()


@pytest.fixture
def scheduler() -> Iterator[Scheduler]:
    made = Scheduler(app=app)
    yield made
    made._finalize.cancel()


@pytest.mark.django_db(transaction=True)
def test_beat_sends_nothing_while_its_clock_is_off(
    scheduler: Scheduler, wall: Wall, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = []

    def tick(*_: Any, **__: Any) -> float:
        ticks.append("sent")
        return 5.0

    monkeypatch.setattr(DatabaseScheduler, "tick", tick)
    wall.ahead = HOURS
    assert 0 < scheduler.tick() < heartbeats.EVERY
    assert ticks == []
    [process] = health.load_processes()
    assert process.is_clock_off
    wall.ahead = 0.0
    assert scheduler.tick() == 5.0
    assert ticks == ["sent"]
