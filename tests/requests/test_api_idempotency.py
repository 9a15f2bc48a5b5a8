"""Idempotency-Key: what is sent twice is done once."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from rest_framework.test import APIClient

from osgp.accounts.models import Organisation
from osgp.devices.models import Device
from osgp.requests.api import messages
from osgp.requests.models import IdempotencyKey, Request, RequestState
from osgp.visits import housekeeping
from tests.factories import grant, make_token
from tests.processes import PATIENCE
from tests.state_check import states_by_hand

URL = "/api/v1/adhoc/synchronize-time/"
READS = "/api/v1/monitoring/actual-meter-reads/"


def post(api: APIClient, device: Device, key: str = "k1", url: str = URL, **fields: Any) -> Any:
    body = {"device_identification": device.identification, **fields}
    return api.post(url, body, format="json", headers={"Idempotency-Key": key})


def test_the_same_key_and_body_get_the_same_answer(api: APIClient, device: Device) -> None:
    first = post(api, device, priority=3)
    Request.objects.update(state=RequestState.RUNNING)
    again = post(api, device, priority=3)
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json() == again.json()
    assert first["Location"] == again["Location"]
    assert Request.objects.count() == 1


def test_the_order_of_fields_does_not_matter(api: APIClient, device: Device) -> None:
    one = f'{{"device_identification": "{device.identification}", "priority": 3}}'
    two = f'{{"priority":3,"device_identification":"{device.identification}"}}'
    for body in (one, two):
        headers = {"Idempotency-Key": "k"}
        assert api.post(URL, body, content_type="application/json", headers=headers).status_code == 202
    assert Request.objects.count() == 1


def test_without_a_key_everything_is_new(api: APIClient, device: Device) -> None:
    for _ in range(2):
        assert (
            api.post(URL, {"device_identification": device.identification}, format="json").status_code == 202
        )
    assert Request.objects.count() == 2
    assert not IdempotencyKey.objects.exists()


def test_another_body_or_message_with_the_key_is_refused(api: APIClient, device: Device) -> None:
    assert post(api, device).status_code == 202
    assert post(api, device, priority=9).status_code == 422
    assert post(api, device, url=READS).status_code == 422
    assert post(api, device, "k2").status_code == 202
    assert Request.objects.count() == 2


def test_a_refused_call_leaves_its_key_free(api: APIClient, device: Device) -> None:
    assert post(api, device, priority=10).status_code == 400
    assert not IdempotencyKey.objects.exists()
    assert post(api, device, priority=9).status_code == 202


def test_a_call_that_failed_leaves_its_key_free(
    api: APIClient, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError

    with monkeypatch.context() as patched:
        patched.setattr(messages, "submit", fail)
        with pytest.raises(RuntimeError):
            post(api, device)
    assert not IdempotencyKey.objects.exists()
    assert post(api, device).status_code == 202


def test_organisations_do_not_share_keys(
    api: APIClient, device: Device, other_organisation: Organisation, client_of: Any
) -> None:
    grant(other_organisation, device)
    stranger = client_of(make_token(other_organisation))
    assert post(api, device).json()["correlation_uid"] != post(stranger, device).json()["correlation_uid"]


@pytest.mark.parametrize("key", ["", "x" * 256, "é", "tab\t"])
def test_malformed_keys_are_refused(api: APIClient, device: Device, key: str) -> None:
    answer = post(api, device, key)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == "/Idempotency-Key"
    assert not Request.objects.exists()


@contextmanager
def held_up(monkeypatch: pytest.MonkeyPatch, hold: Callable[[], object]) -> Iterator[None]:
    """The first call does something else once its request is made, before it is stored for good."""
    first = [None]

    def submit(*arguments: Any) -> Request:
        made = original(*arguments)
        if first:
            first.clear()
            hold()
        return made

    original = messages.submit
    with monkeypatch.context() as patched:
        patched.setattr(messages, "submit", submit)
        yield


@pytest.mark.django_db(transaction=True)
def test_while_the_first_call_is_worked_on_the_second_is_refused(
    token: str, client_of: Any, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite has one writer at a time: there the second one waits, and gets the answer of the first."""
    is_made, may_end = threading.Event(), threading.Event()

    def call(**fields: Any) -> Any:
        try:
            return post(client_of(token), device, **fields)
        finally:
            connection.close()

    def hold() -> None:
        is_made.set()
        assert may_end.wait(PATIENCE)

    with held_up(monkeypatch, hold), ThreadPoolExecutor(3) as threads:
        first = threads.submit(call)
        assert is_made.wait(PATIENCE)
        others = [threads.submit(call), threads.submit(call, priority=1)]
        if connection.vendor == "postgresql":
            assert [other.result(PATIENCE).status_code for other in others] == [409, 409]
        may_end.set()
        uid = first.result(PATIENCE).json()["correlation_uid"]
        if connection.vendor == "sqlite":
            assert [other.result(PATIENCE).status_code for other in others] == [202, 422]
            assert others[0].result().json()["correlation_uid"] == uid
    assert post(client_of(token), device).json()["correlation_uid"] == uid
    assert post(client_of(token), device, priority=1).status_code == 422
    assert Request.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_process_that_is_killed_gives_its_key_up_at_once(
    token: str, client_of: Any, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_made, tell = os.pipe()

    def hold() -> None:
        os.write(tell, b".")
        signal.pause()

    connection.close()
    if (pid := os.fork()) == 0:
        with suppress(BaseException), held_up(monkeypatch, hold):
            post(client_of(token), device)
        os._exit(1)
    os.close(tell)
    try:
        assert os.read(is_made, 1) == b"."
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(is_made)
    # PostgreSQL notices that the process is gone a moment later.
    answers = [post(client_of(token), device)]
    while answers[-1].status_code == 409 and len(answers) < 1000:
        time.sleep(0.01)
        answers.append(post(client_of(token), device))
    assert answers[-1].status_code == 202
    [request] = Request.objects.all()
    assert str(request.correlation_uid) == answers[-1].json()["correlation_uid"]
    assert post(client_of(token), device).json() == answers[-1].json()


def test_a_key_of_which_nothing_came_is_free(api: APIClient, device: Device) -> None:
    """Former releases stored a key before they carried the call out."""
    assert post(api, device).status_code == 202
    IdempotencyKey.objects.update(request=None)
    assert post(api, device, priority=1).status_code == 202
    assert (Request.objects.count(), IdempotencyKey.objects.count()) == (2, 1)


def test_keys_are_forgotten_after_a_day(api: APIClient, device: Device) -> None:
    assert post(api, device).status_code == 202
    IdempotencyKey.objects.update(created_at=timezone.now() - timedelta(hours=23, minutes=59))
    assert housekeeping.delete_idempotency_keys() == 0
    assert post(api, device, priority=1).status_code == 422
    IdempotencyKey.objects.update(created_at=timezone.now() - timedelta(hours=24, seconds=1))
    assert post(api, device, priority=1).status_code == 202
    IdempotencyKey.objects.update(created_at=timezone.now() - timedelta(hours=24, seconds=1))
    assert housekeeping.delete_idempotency_keys() == 1
    assert Request.objects.count() == 2


def test_a_key_goes_with_its_request(api: APIClient, device: Device) -> None:
    url = post(api, device).json()["url"]
    with states_by_hand():
        Request.objects.update(state=RequestState.SUCCEEDED)
    assert api.delete(url).status_code == 204
    assert post(api, device).status_code == 202
    assert Request.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_calls_at_the_same_time_make_one_request(token: str, client_of: Any, device: Device) -> None:
    start = threading.Barrier(8)
    statuses: list[int] = []

    def call() -> None:
        client = client_of(token)
        start.wait()
        try:
            statuses.append(post(client, device).status_code)
        finally:
            connection.close()

    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Request.objects.count() == 1
    assert len(statuses) == 8
    assert set(statuses) <= {202, 409}
    assert 202 in statuses
