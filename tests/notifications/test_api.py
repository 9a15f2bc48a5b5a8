"""Endpoints, secrets and deliveries over REST: what applications may do, and what they are never told."""

import json
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings
from rest_framework.test import APIClient
from standardwebhooks import Webhook

from osgp.accounts.models import Organisation
from osgp.audit.models import AuditEntry
from osgp.batches.models import Batch
from osgp.devices.models import Device
from osgp.events.models import Event
from osgp.messages.serializers import utc_text
from osgp.notifications.models import Delivery, Endpoint, Secret
from osgp.requests.models import Request
from tests.factories import make_token
from tests.notifications.conftest import Engine
from tests.notifications.receiver import Receiver, saying
from tests.notifications.rows import make_delivery, make_endpoint
from tests.notifications.test_delivering import complete

pytestmark = pytest.mark.django_db

ROOT = "/api/v1/notifications/endpoints/"
SECRET = "/api/v1/notifications/response-url-secret/"
READ = "/api/v1/adhoc/synchronize-time/"
URL = "https://receiver.example/hook"


def url_of(endpoint: Endpoint, verb: str = "") -> str:
    return f"{ROOT}{endpoint.uid}/{verb}"


def pointers(answer: Any) -> set[str]:
    assert answer.status_code == 400, answer.content
    return {error["pointer"] for error in answer.json()["errors"]}


def test_an_endpoint_from_its_beginning_to_its_end(
    api: APIClient, organisation: Organisation, receiver: Receiver, engine: Engine
) -> None:
    body = {"url": receiver.url, "description": "The portal", "statuses": ["FAILED", "FAILED"]}
    made = api.post(ROOT, body, format="json")
    assert made.status_code == 201
    said = made.json()
    assert made.headers["Location"] == said["resource"] == f"{ROOT}{said['uid']}/"
    assert said["statuses"] == ["FAILED"]
    secret = said.pop("secret")
    assert api.get(said["resource"]).json() == said
    assert api.get(ROOT).json() == {"results": [said]}
    tested = api.post(f"{said['resource']}test/")
    assert tested.status_code == 202
    assert (tested.json()["type"], tested.json()["state"]) == ("webhook.test", "PENDING")
    engine()
    [received] = receiver.received
    assert Webhook(secret).verify(received.body, received.headers) == {
        "type": "webhook.test",
        "data": {"endpoint": said["uid"]},
    }
    [delivery] = api.get(f"{said['resource']}deliveries/").json()["results"]
    assert (delivery["state"], delivery["log"][0]["status_code"]) == ("DELIVERED", 204)
    assert delivery["webhook_id"] == received.headers["webhook-id"]
    changed = api.patch(said["resource"], {"kinds": ["alarm.received"]}, format="json")
    assert changed.json()["kinds"] == ["alarm.received"]
    assert changed.json()["url"] == receiver.url
    assert api.post(f"{said['resource']}pause/").json()["paused_at"] is not None
    assert api.post(f"{said['resource']}test/").status_code == 409
    assert api.post(f"{said['resource']}resume/").json()["paused_at"] is None
    assert api.delete(said["resource"]).status_code == 204
    assert api.get(said["resource"]).status_code == 404
    assert api.get(ROOT).json() == {"results": []}
    assert not Secret.objects.exists()


def test_a_secret_is_shown_once_and_sealed(api: APIClient, organisation: Organisation) -> None:
    secret = api.post(ROOT, {"url": URL}, format="json").json()["secret"]
    endpoint = Endpoint.objects.get()
    rotated = api.post(url_of(endpoint, "rotate-secret/"), {"overlap_hours": 2}, format="json")
    assert rotated.status_code == 200
    assert rotated.json()["secret"] != secret
    shown = api.get(url_of(endpoint)).content + api.get(ROOT).content
    for each in (secret, rotated.json()["secret"]):
        raw = Webhook(each)._whsecret
        assert len(raw) == 32
        assert each.encode() not in shown
        for row in Secret.objects.all():
            assert raw not in bytes(row.ciphertext) + bytes(row.wrapped_data_key)
            assert each not in f"{row} {row!r} {vars(row)}"
        assert each not in json.dumps(list(AuditEntry.objects.values_list("details", flat=True)))
    former = endpoint.secrets.get(expires_at__isnull=False)
    assert former.expires_at is not None
    assert timedelta(minutes=119) < former.expires_at - timezone.now() < timedelta(hours=2)
    told = [entry.event for entry in AuditEntry.objects.order_by("pk")]
    assert told == ["ADDED", "WEBHOOK_SECRET_ISSUED", "WEBHOOK_SECRET_ISSUED"]
    assert {entry.actor for entry in AuditEntry.objects.all()} == {"portal"}


def test_secrets_for_urls_of_requests(api: APIClient, organisation: Organisation) -> None:
    assert api.get(SECRET).json() == {"secrets": []}
    first = api.post(SECRET, {}, format="json").json()["secret"]
    second = api.post(SECRET, {"overlap_hours": 1}, format="json").json()["secret"]
    assert first != second
    answer = api.get(SECRET)
    assert [each["expires_at"] is None for each in answer.json()["secrets"]] == [True, False]
    assert "whsec" not in answer.content.decode()


def test_a_secret_that_is_rotated_often_has_few_successors(
    api: APIClient, organisation: Organisation
) -> None:
    for _ in range(6):
        api.post(SECRET, {"overlap_hours": 100}, format="json")
    assert Secret.objects.count() == 3


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"url": "http://169.254.169.254/"}, "/url"),
        ({"url": "https://user@receiver.example/"}, "/url"),
        ({"url": 7}, "/url"),
        ({"url": None}, "/url"),
        ({"url": URL, "colour": 1}, "/colour"),
        ({"url": URL, "description": "x" * 256}, "/description"),
        ({"url": URL, "description": "a\0b"}, "/description"),
        ({"url": URL + "\0"}, "/url"),
        ({"url": URL, "kinds": None}, "/kinds"),
        ({"url": URL, "messages": ["\0"]}, "/messages/0"),
        ({"url": URL, "kinds": "alarm.received"}, "/kinds"),
        ({"url": URL, "kinds": ["alarm.received", "alarm.lost"]}, "/kinds/1"),
        ({"url": URL, "messages": ["FindEvent"]}, "/messages/0"),
        ({"url": URL, "messages": ["FindEvents"] * 101}, "/messages"),
        ({"url": URL, "statuses": ["RUNNING"]}, "/statuses/0"),
        ({"url": URL, "statuses": [["FAILED"]]}, "/statuses/0"),
        ({}, "/url"),
        ([], ""),
    ],
    ids=lambda value: str(value)[:50],
)
def test_bad_fields_are_named(api: APIClient, organisation: Organisation, fields: Any, pointer: str) -> None:
    assert pointers(api.post(ROOT, fields, format="json")) == {pointer}
    assert not Endpoint.objects.exists()
    if pointer not in ("", "/url"):
        endpoint = make_endpoint(organisation)
        assert pointers(api.patch(url_of(endpoint), fields, format="json")) == {pointer}


@pytest.mark.parametrize("hours", [-1, 169, 1.5, "2", None])
def test_overlaps_are_bounded(api: APIClient, organisation: Organisation, hours: Any) -> None:
    answer = api.post(SECRET, {"overlap_hours": hours}, format="json")
    assert pointers(answer) == {"/overlap_hours"}


def test_an_organisation_has_so_many_endpoints_at_most(
    api: APIClient, organisation: Organisation, webhook_settings: Settings
) -> None:
    webhook_settings.OSGP = webhook_settings.OSGP | {"WEBHOOK_MOST_ENDPOINTS": 2}
    make_endpoint(organisation)
    make_endpoint(organisation, deleted_at=timezone.now())
    make_endpoint(organisation, "", origin="https://a.example:443")
    assert api.post(ROOT, {"url": URL}, format="json").status_code == 201
    refused = api.post(ROOT, {"url": URL}, format="json")
    assert refused.status_code == 400
    assert "2 endpoints already" in refused.content.decode()


def test_without_keys_there_are_no_secrets(
    api: APIClient, organisation: Organisation, webhook_settings: Settings
) -> None:
    webhook_settings.OSGP = webhook_settings.OSGP | {"LOCAL_SECRETS": False}
    answer = api.post(ROOT, {"url": URL}, format="json")
    assert answer.status_code == 503
    assert answer.json()["detail"] == "Webhooks are not set up on this platform."
    assert not Endpoint.objects.exists()


VERBS = [
    ("get", ""),
    ("patch", ""),
    ("delete", ""),
    ("post", "test/"),
    ("post", "pause/"),
    ("post", "resume/"),
    ("post", "rotate-secret/"),
    ("get", "deliveries/"),
    ("post", "deliveries/{id}/replay/"),
    ("post", "replay/"),
]


@pytest.mark.parametrize(("method", "verb"), VERBS, ids=lambda value: value or "itself")
def test_endpoints_of_others_do_not_exist(
    api: APIClient, organisation: Organisation, other_organisation: Organisation, method: str, verb: str
) -> None:
    endpoint = make_endpoint(other_organisation)
    implicit = make_endpoint(organisation, "", origin="https://a.example:443")
    delivery = make_delivery(endpoint, state="FAILED")
    for each in (endpoint, implicit):
        url = url_of(each, verb.format(id=delivery.pk))
        assert getattr(api, method)(url, {}, format="json").status_code == 404
    for uid in (uuid.uuid4(), "x", "0" * 36):
        url = f"{ROOT}{uid}/{verb.format(id=1)}"
        assert getattr(api, method)(url, {}, format="json").status_code == 404
    endpoint.refresh_from_db()
    assert (endpoint.paused_at, endpoint.deleted_at) == (None, None)


@pytest.mark.parametrize(("method", "verb"), [*VERBS, ("post", None)], ids=lambda value: value or "itself")
def test_scopes(
    client_of: Callable[[str], APIClient], organisation: Organisation, method: str, verb: str | None
) -> None:
    endpoint = make_endpoint(organisation)
    url = ROOT if verb is None else url_of(endpoint, verb.format(id=make_delivery(endpoint).pk))
    scope = "read" if method == "get" else "notification"
    others = [each for each in ("read", "notification", "adhoc", "admin") if each != scope]
    for scopes, is_allowed in (([scope], True), (others, False)):
        client = client_of(make_token(organisation, scopes=scopes))
        answer = getattr(client, method)(url, {}, format="json")
        assert (answer.status_code != 403) is is_allowed
    assert APIClient().get(url).status_code == 401


def test_deliveries_come_in_pages(api: APIClient, organisation: Organisation) -> None:
    endpoint = make_endpoint(organisation)
    made = [make_delivery(endpoint, state="FAILED" if number % 2 else "PENDING") for number in range(5)]
    page = api.get(url_of(endpoint, "deliveries/"), {"page_size": 3})
    assert [each["id"] for each in page.json()["results"]] == [each.pk for each in made[:1:-1]]
    assert 'rel="next"' in page.headers["Link"]
    failed = api.get(url_of(endpoint, "deliveries/"), {"state": "FAILED"}).json()["results"]
    assert [each["id"] for each in failed] == [made[3].pk, made[1].pk]
    assert pointers(api.get(url_of(endpoint, "deliveries/"), {"state": "LOST"})) == {"/state"}


def test_a_delivery_is_sent_again(
    api: APIClient, organisation: Organisation, device: Device, receiver: Receiver, engine: Engine
) -> None:
    """With the same id, although its result was fetched since."""
    endpoint = make_endpoint(organisation, receiver.url)
    request = complete(organisation, device)
    engine()
    Event.objects.update(fetched_at=timezone.now())
    delivery = Delivery.objects.get()
    url = url_of(endpoint, f"deliveries/{delivery.pk}/replay/")
    assert api.post(url).json()["state"] == "PENDING"
    assert api.post(url).status_code == 409
    engine()
    first, second = receiver.received
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == f"msg_{request.correlation_uid.hex}"
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts, len(delivery.log)) == ("DELIVERED", 1, 2)
    assert api.post(url_of(endpoint, "deliveries/999999999/replay/")).status_code == 404
    assert api.post(url_of(endpoint, f"deliveries/{10**30}/replay/")).status_code == 404


def test_deliveries_of_a_time_are_sent_again(
    api: APIClient, organisation: Organisation, other_organisation: Organisation
) -> None:
    endpoint, now = make_endpoint(organisation), timezone.now()
    hours = {
        name: now - timedelta(hours=number) for number, name in enumerate(("new", "late", "early", "old"))
    }
    made = {name: make_delivery(endpoint, state="FAILED", created_at=at) for name, at in hours.items()}
    make_delivery(endpoint, state="DELIVERED", created_at=hours["late"])
    make_delivery(make_endpoint(other_organisation), state="FAILED", created_at=hours["late"])
    body = {"from": utc_text(hours["early"]), "until": utc_text(hours["new"])}
    assert api.post(url_of(endpoint, "replay/"), body, format="json").json() == {"replayed": 2}
    pending = set(Delivery.objects.filter(state="PENDING").values_list("pk", flat=True))
    assert pending == {made["late"].pk, made["early"].pk}
    body["states"] = ["DELIVERED", "FAILED"]
    assert api.post(url_of(endpoint, "replay/"), body, format="json").json() == {"replayed": 1}
    endpoint.refresh_from_db()
    assert endpoint.wake_at is not None


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/from"),
        ({"from": "2026-01-02T00:00:00Z", "until": "2026-01-01T00:00:00Z"}, "/until"),
        ({"from": "2026-01-01T00:00:00Z", "until": "2026-01-02T00:00:00Z", "states": []}, "/states"),
        (
            {"from": "2026-01-01T00:00:00Z", "until": "2026-01-02T00:00:00Z", "states": ["PENDING"]},
            "/states/0",
        ),
        ({"from": "yesterday", "until": "2026-01-02T00:00:00Z"}, "/from"),
    ],
    ids=["nothing", "backwards", "no states", "what waits", "no time"],
)
def test_bad_times_are_named(
    api: APIClient, organisation: Organisation, body: dict[str, Any], pointer: str
) -> None:
    assert pointer in pointers(api.post(url_of(make_endpoint(organisation), "replay/"), body, format="json"))


def test_a_test_goes_before_what_waits_and_has_one_attempt(
    api: APIClient, organisation: Organisation, receiver: Receiver, engine: Engine
) -> None:
    receiver.answer = saying(500)
    later = timezone.now() + timedelta(hours=1)
    endpoint = make_endpoint(organisation, receiver.url, consecutive_failures=20, retry_at=later)
    waiting = make_delivery(endpoint)
    api.post(url_of(endpoint, "test/"))
    engine()
    [received] = receiver.received
    assert json.loads(received.body)["type"] == "webhook.test"
    waiting.refresh_from_db()
    assert waiting.attempts == 0
    assert Delivery.objects.get(kind="webhook.test").state == "FAILED"


def test_another_url_has_no_past(api: APIClient, organisation: Organisation) -> None:
    endpoint = make_endpoint(organisation, consecutive_failures=20, retry_at=timezone.now(), last_status=500)
    api.patch(url_of(endpoint), {"description": "The same one"}, format="json")
    endpoint.refresh_from_db()
    assert endpoint.consecutive_failures == 20
    api.patch(url_of(endpoint), {"url": "https://other.example/"}, format="json")
    endpoint.refresh_from_db()
    assert (endpoint.consecutive_failures, endpoint.retry_at, endpoint.last_status) == (0, None, None)


# --- The URL of a request, and fetched results ---------------------------------------------------------


def test_a_request_with_a_url(api: APIClient, device: Device) -> None:
    body = {"device_identification": device.identification, "response_url": URL}
    assert api.post(READ, body, format="json").status_code == 202
    assert Request.objects.get().response_url == URL
    body["response_url"] = "https://10.0.0.1/"
    assert pointers(api.post(READ, body, format="json")) == {"/response_url"}


def test_a_bundle_with_a_url(api: APIClient, device: Device) -> None:
    action = {"message": "SynchronizeTime"}
    body = {"device_identification": device.identification, "actions": [action], "response_url": URL}
    assert api.post("/api/v1/bundle/", body, format="json").status_code == 202
    assert Request.objects.get().response_url == URL
    body["actions"] = [action | {"response_url": URL}]
    assert pointers(api.post("/api/v1/bundle/", body, format="json")) == {"/actions/0/response_url"}


def test_a_batch_with_a_url(api: APIClient, device: Device) -> None:
    body = {
        "message": "SynchronizeTime",
        "device_identifications": [device.identification],
        "response_url": URL,
    }
    assert api.post("/api/v1/requests/batch/", body, format="json").status_code == 202
    assert Batch.objects.get().response_url == Request.objects.get().response_url == URL
    body["response_url"] = "http://[::1"
    assert pointers(api.post("/api/v1/requests/batch/", body, format="json")) == {"/response_url"}


def test_a_schedule_takes_no_url(api: APIClient, device: Device) -> None:
    body = {
        "name": "nightly",
        "message": "SynchronizeTime",
        "device_identifications": [device.identification],
        "every": 1,
        "period": "days",
        "response_url": URL,
    }
    assert pointers(api.post("/api/v1/schedules/", body, format="json")) == {"/response_url"}


def test_who_gets_the_outcome_is_told_no_more(
    api: APIClient, organisation: Organisation, device: Device
) -> None:
    request = complete(organisation, device)
    event = Event.objects.get()
    assert event.fetched_at is None
    assert api.get(f"{READ}{request.correlation_uid}/").status_code == 200
    event.refresh_from_db()
    assert event.fetched_at is not None
    fetched_at = event.fetched_at
    api.get(f"{READ}{request.correlation_uid}/")
    event.refresh_from_db()
    assert event.fetched_at == fetched_at


def test_what_is_pending_or_long_ago_is_not_noted(
    api: APIClient, organisation: Organisation, device: Device, django_assert_num_queries: Any
) -> None:
    old = complete(organisation, device)
    Request.objects.update(completed_at=timezone.now() - timedelta(days=3))
    pending = api.post(READ, {"device_identification": device.identification}, format="json").json()
    assert api.get(pending["url"]).status_code == 202
    with django_assert_num_queries(3):  # The token, the outcome, and the audit entry.
        assert api.get(f"{READ}{old.correlation_uid}/").status_code == 200
    assert not Event.objects.filter(fetched_at__isnull=False).exists()


def test_a_list_of_requests_fetches_nothing(
    api: APIClient, organisation: Organisation, device: Device
) -> None:
    complete(organisation, device)
    assert len(api.get("/api/v1/requests/").json()["results"]) == 1
    assert Event.objects.get().fetched_at is None
