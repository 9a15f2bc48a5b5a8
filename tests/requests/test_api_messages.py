"""Posting messages, fetching and deleting their outcomes, over HTTP."""

import runpy
import uuid
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.conf import settings
from django.db import InterfaceError, OperationalError, transaction
from django.utils import timezone
from rest_framework.test import APIClient

from osgp.accounts.models import Organisation
from osgp.devices.models import Device
from osgp.faults import Fault, FaultCode
from osgp.messages import registry
from osgp.messages.operation import Operation
from osgp.messages.serializers import utc_text
from osgp.requests import waiting
from osgp.requests.answers import build_route_name
from osgp.requests.api import waiting as holding
from osgp.requests.models import FINAL_STATES, Action, Request, RequestState
from tests.factories import grant, make_device, make_request, make_token
from tests.state_check import states_by_hand

SYNCHRONIZE = "/api/v1/adhoc/synchronize-time/"
READS = "/api/v1/monitoring/actual-meter-reads/"


def settle(request: Request, state: RequestState, result: Any = None, fault: Any = None) -> None:
    """Put an outcome in place."""
    with states_by_hand():
        Request.objects.filter(pk=request.pk).update(
            state=state, fault=fault, completed_at=timezone.now(), attempts=1
        )
    Action.objects.filter(request=request).update(result=result, fault=fault)


def post(api: APIClient, device: Device, url: str = READS, headers: Any = None, **fields: Any) -> Any:
    body = {"device_identification": device.identification, **fields}
    return api.post(url, body, format="json", headers=headers)


def test_a_message_is_accepted_at_once(api: APIClient, device: Device) -> None:
    answer = post(api, device, SYNCHRONIZE, timezone="Europe/Amsterdam", priority=7)
    request = Request.objects.get()
    url = f"{SYNCHRONIZE}{request.correlation_uid}/"
    assert answer.status_code == 202
    assert answer["Location"] == url
    assert answer.json() == {
        "correlation_uid": str(request.correlation_uid),
        "device_identification": device.identification,
        "message": "SynchronizeTime",
        "status": "QUEUED",
        "url": url,
    }
    assert (request.priority, request.application) == (7, "portal")
    assert request.actions.get().parameters == {"timezone": "Europe/Amsterdam"}


def test_a_message_for_later_is_scheduled(api: APIClient, device: Device) -> None:
    later = utc_text(timezone.now() + timedelta(days=90))
    assert post(api, device, schedule_time=later).json()["status"] == "SCHEDULED"


def test_an_outcome_is_pending_until_it_is_final(api: APIClient, device: Device) -> None:
    url = post(api, device).json()["url"]
    pending = api.get(url)
    assert pending.status_code == 202
    request = Request.objects.get()
    assert pending.json() == {
        "correlation_uid": str(request.correlation_uid),
        "device_identification": device.identification,
        "message": "ActualMeterReads",
        "status": "QUEUED",
        "priority": 4,
        "schedule_time": None,
        "attempts": 0,
        "created_at": utc_text(request.created_at),
        "completed_at": None,
        "result": None,
        "fault": None,
    }
    result = {"active_energy_import": {"value": "1.234", "unit": "kWh"}}
    settle(request, RequestState.SUCCEEDED, result=result)
    final = api.get(url)
    assert final.status_code == 200
    assert final.json()["result"] == result
    assert final.json()["completed_at"].endswith("Z")
    assert api.get(url).json() == final.json()


def test_a_failure_tells_its_fault_and_no_result(api: APIClient, device: Device) -> None:
    url = post(api, device).json()["url"]
    fault = Fault(FaultCode.CONNECTION_REFUSED, "Refused.", retryable=True).as_dict()
    settle(Request.objects.get(), RequestState.RETRYING, fault=fault)
    retrying = api.get(url)
    assert (retrying.status_code, retrying.json()["status"], retrying.json()["fault"]) == (
        202,
        "RETRYING",
        None,
    )
    settle(Request.objects.get(), RequestState.FAILED, result={"stale": 1}, fault=fault)
    failed = api.get(url)
    assert failed.status_code == 200
    assert failed.json()["result"] is None
    assert failed.json()["fault"] == {
        "code": 225,
        "name": "CONNECTION_REFUSED",
        "message": "Refused.",
        "component": "DOMAIN_SMART_METERING",
        "retryable": True,
    }


@pytest.mark.parametrize("state", RequestState)
def test_only_final_requests_are_deleted(api: APIClient, device: Device, state: RequestState) -> None:
    url = post(api, device).json()["url"]
    with states_by_hand():
        Request.objects.update(state=state)
    answer = api.delete(url)
    if state in FINAL_STATES:
        assert (answer.status_code, answer.content) == (204, b"")
        assert not Request.objects.exists()
        assert not Action.objects.exists()
        assert api.get(url).status_code == 404
    else:
        assert answer.status_code == 409
        assert Request.objects.exists()


@pytest.mark.parametrize("method", ["get", "delete"])
def test_an_unknown_uid_is_404_with_code_405(
    api: APIClient,
    organisation: Organisation,
    device: Device,
    other_organisation: Organisation,
    client_of: Callable[[str], APIClient],
    method: str,
) -> None:
    request = make_request(organisation, device)
    own = f"{SYNCHRONIZE}{request.correlation_uid}/"
    grant(other_organisation, device)
    stranger = client_of(make_token(other_organisation))
    cases = [
        (stranger, own),
        (api, f"{READS}{request.correlation_uid}/"),
        (api, f"{SYNCHRONIZE}{uuid.uuid4()}/"),
        (api, f"{SYNCHRONIZE}{request.correlation_uid.hex}/"),
        (api, f"{SYNCHRONIZE}not-a-uid/"),
        (api, f"{SYNCHRONIZE}%00/"),
        (api, f"{SYNCHRONIZE}{'9' * 5000}/"),
    ]
    for client, url in cases:
        answer = getattr(client, method)(url)
        assert (answer.status_code, answer.json()["code"]) == (404, 405), url
        assert answer.json()["name"] == "UNKNOWN_CORRELATION_UID"
    assert Request.objects.exists()


def test_reading_needs_the_scope_read_and_deleting_the_service(
    organisation: Organisation, device: Device, client_of: Callable[[str], APIClient]
) -> None:
    request = make_request(organisation, device, state=RequestState.SUCCEEDED)
    url = f"{SYNCHRONIZE}{request.correlation_uid}/"
    writer = client_of(make_token(organisation, scopes=["adhoc"]))
    reader = client_of(make_token(organisation, scopes=["read"]))
    assert (writer.get(url).status_code, writer.get(url).json()["code"]) == (403, 301)
    assert reader.get(url).status_code == 200
    assert reader.delete(url).status_code == 403
    assert post(reader, device, SYNCHRONIZE, nonsense=1).json()["code"] == 301
    assert post(writer, device, READS).status_code == 403
    assert post(writer, device, SYNCHRONIZE).status_code == 202
    assert writer.delete(url).status_code == 204


def test_a_post_costs_few_statements(
    api: APIClient, device: Device, django_assert_max_num_queries: Any
) -> None:
    post(api, device)
    # Token, grants, request, action, audit entry, notification, and in tests a savepoint and its release.
    with django_assert_max_num_queries(8):
        assert post(api, device).status_code == 202


def test_fetching_an_outcome_costs_two_statements(
    api: APIClient, device: Device, django_assert_max_num_queries: Any
) -> None:
    url = post(api, device).json()["url"]
    with django_assert_max_num_queries(2):
        assert api.get(url).status_code == 202


# --- Prefer: wait --------------------------------------------------------------------------------------


@pytest.fixture
def finish_while_waiting(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The third look at a row finds it final; returns the pauses between looks."""
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            settle(Request.objects.get(), RequestState.SUCCEEDED, result={"time": "now"})

    monkeypatch.setattr(waiting.time, "sleep", sleep)
    return pauses


def test_waiting_gives_the_outcome_with_the_post(
    api: APIClient, device: Device, finish_while_waiting: list[float]
) -> None:
    answer = post(api, device, headers={"Prefer": "wait=20"})
    assert (answer.status_code, answer["Preference-Applied"]) == (200, "wait=20")
    assert answer.json()["result"] == {"time": "now"}
    assert answer["Location"] == f"{READS}{Request.objects.get().correlation_uid}/"
    assert finish_while_waiting == sorted(finish_while_waiting)
    assert finish_while_waiting[0] < finish_while_waiting[-1] <= waiting.LONGEST_PAUSE


def test_waiting_gives_the_outcome_with_the_get(
    api: APIClient, device: Device, finish_while_waiting: list[float]
) -> None:
    url = post(api, device).json()["url"]
    answer = api.get(url, headers={"Prefer": "respond-async, WAIT = 5"})
    assert (answer.status_code, answer["Preference-Applied"]) == (200, "wait=5")
    again = api.get(url, headers={"Prefer": "wait=5"})
    assert again.status_code == 200
    assert len(finish_while_waiting) == 3


def test_waiting_ends_when_the_time_is_up(
    api: APIClient, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(waiting.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(waiting.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    answer = post(api, device, headers={"Prefer": "wait=100000"})
    assert (answer.status_code, answer["Preference-Applied"]) == (202, "wait=60")
    assert answer.json()["url"] == answer["Location"]
    assert now[0] == pytest.approx(60)
    assert api.get(answer["Location"], headers={"Prefer": "wait=1"}).status_code == 202
    assert now[0] == pytest.approx(61)


@pytest.mark.parametrize(
    "header", ["wait=", "wait=-1", "wait=1.5", "wait=x", "await=5", "wait=0", "wait=" + "9" * 99, ""]
)
def test_preferences_that_make_no_sense_are_ignored(
    api: APIClient, device: Device, header: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting.time, "sleep", lambda _: pytest.fail("waited"))
    answer = post(api, device, headers={"Prefer": header})
    assert answer.status_code == 202
    assert "Preference-Applied" not in answer


def test_only_so_many_calls_wait(api: APIClient, device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting.time, "sleep", lambda _: pytest.fail("waited"))
    taken = 0
    while holding._places.acquire(blocking=False):
        taken += 1
    try:
        answer = post(api, device, headers={"Prefer": "wait=20"})
    finally:
        for _ in range(taken):
            holding._places.release()
    assert taken > 0
    assert answer.status_code == 202
    assert "Preference-Applied" not in answer


@pytest.mark.django_db(transaction=True)
def test_no_connection_is_held_between_looks(
    api: APIClient, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = []

    def sleep(seconds: float) -> None:
        held.append(transaction.get_connection().connection)
        settle(Request.objects.get(), RequestState.SUCCEEDED, result={})

    monkeypatch.setattr(waiting.time, "sleep", sleep)
    assert post(api, device, headers={"Prefer": "wait=20"}).status_code == 200
    assert held == [None]


def test_without_the_scope_read_nobody_waits_for_an_outcome(
    organisation: Organisation,
    device: Device,
    client_of: Callable[[str], APIClient],
    finish_while_waiting: list[float],
) -> None:
    """Neither of a new request nor, by sending it once more, of one that is final by now."""
    writer = client_of(make_token(organisation, scopes=["monitoring"]))
    headers = {"Prefer": "wait=20", "Idempotency-Key": "one"}
    for _ in range(2):
        answer = post(writer, device, headers=headers)
        assert answer.status_code == 202
        assert "Preference-Applied" not in answer
        assert "result" not in answer.json()
        settle(Request.objects.get(), RequestState.SUCCEEDED, result={"time": "now"})
    assert finish_while_waiting == []


@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
def test_what_is_stored_is_told_as_such_when_the_database_goes_away_meanwhile(
    api: APIClient, device: Device, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    """Who got an error for it would send it once more."""

    def away(seconds: float) -> None:
        raise error("server closed the connection unexpectedly")

    monkeypatch.setattr(waiting.time, "sleep", away)
    answer = post(api, device, headers={"Prefer": "wait=20"})
    request = Request.objects.get()
    assert (answer.status_code, answer.json()["correlation_uid"]) == (202, str(request.correlation_uid))
    assert answer["Location"] == answer.json()["url"]
    assert api.get(answer["Location"], headers={"Prefer": "wait=20"}).status_code == 503


def test_nobody_who_hung_up_keeps_a_place(
    api: APIClient, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(waiting.time, "sleep", pauses.append)
    url = post(api, device).json()["url"]
    hung_up: dict[str, Any] = {"osgp.has_hung_up": lambda: len(pauses) == 2}
    answer = api.get(url, headers={"Prefer": "wait=5"}, **hung_up)
    assert answer.status_code == 202
    assert len(pauses) == 2


def test_a_process_that_is_to_end_answers_those_who_wait(
    api: APIClient, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    gunicorn = runpy.run_path(str(settings.BASE_DIR / "deploy" / "gunicorn.conf.py"))
    worker = SimpleNamespace(alive=True)
    monkeypatch.setattr(holding, "_is_ending", None)
    gunicorn["post_worker_init"](worker)
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        worker.alive = len(pauses) < 2

    monkeypatch.setattr(waiting.time, "sleep", sleep)
    assert post(api, device, headers={"Prefer": "wait=5"}).status_code == 202
    assert len(pauses) == 2


# --- Every message -------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", list(registry.list_operations()), ids=lambda task: task.message)
def test_every_message_has_its_routes(api: APIClient, task: Operation) -> None:
    url = f"/api/v1/{build_route_name(task)}/"
    assert api.post(url, {"no": 1}, format="json").json()["code"] == FaultCode.VALIDATION_ERROR
    assert api.get(f"{url}{uuid.uuid4()}/").json()["code"] == FaultCode.UNKNOWN_CORRELATION_UID
    assert api.delete(f"{url}{uuid.uuid4()}/").json()["code"] == FaultCode.UNKNOWN_CORRELATION_UID
    missing = api.post(url, {"no": 1}, format="json").json()["errors"]
    assert {"/device_identification", "/no"} <= {error["pointer"] for error in missing}
    assert api.get(url).status_code == 405
    assert APIClient().post(url, {}, format="json").status_code == 401
    assert APIClient().get(f"{url}{uuid.uuid4()}/").status_code == 401


def test_devices_of_others_are_unknown(
    api: APIClient, organisation: Organisation, other_organisation: Organisation
) -> None:
    foreign = make_device("FOREIGN", owner=other_organisation)
    answer = post(api, foreign)
    assert (answer.status_code, answer.json()["code"]) == (404, 201)
    grant(organisation, foreign, "CONFIGURATION")
    answer = post(api, foreign)
    assert (answer.status_code, answer.json()["code"]) == (403, 301)
