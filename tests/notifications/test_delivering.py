"""From an event to what a receiver gets, and what becomes of each kind of answer."""

import json
import uuid
from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings
from standardwebhooks import Webhook, WebhookVerificationError

from osgp.accounts.models import Organisation
from osgp.devices.models import Device
from osgp.events.fetching import mark_fetched
from osgp.events.models import Event, EventKind
from osgp.notifications import runs, scheduling, secrets, tasks
from osgp.notifications.models import Delivery, Endpoint
from osgp.requests.models import Request, RequestState
from tests.factories import make_request
from tests.notifications.conftest import Engine
from tests.notifications.receiver import Receiver, saying, sending
from tests.notifications.rows import make_delivery, make_endpoint
from tests.state_check import states_by_hand

pytestmark = pytest.mark.django_db

OK = b"HTTP/1.1 200 OK\r\n"


def complete(
    organisation: Organisation, device: Device, state: str = "SUCCEEDED", **fields: object
) -> Request:
    """A request that has just become final."""
    request = make_request(organisation, device, **fields)
    with states_by_hand():
        Request.objects.filter(pk=request.pk).update(state=state, completed_at=timezone.now())
    return request


def make_due(delivery: Delivery) -> None:
    """Put the next attempt, and the next try of its endpoint, into the past."""
    past = timezone.now() - timedelta(seconds=1)
    Delivery.objects.filter(pk=delivery.pk).update(due_at=past)
    Endpoint.objects.filter(pk=delivery.endpoint_id).update(wake_at=past, retry_at=None)


def test_a_receiver_gets_exactly_the_notification(
    organisation: Organisation, device: Device, receiver: Receiver, engine: Engine
) -> None:
    endpoint = make_endpoint(organisation, receiver.url)
    _, secret = secrets.rotate(organisation, endpoint)
    request = complete(organisation, device)
    engine()
    [received] = receiver.received
    assert received.line == "POST /hook HTTP/1.1"
    assert received.headers["content-type"] == "application/json"
    assert received.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert received.headers["webhook-id"] == f"msg_{request.correlation_uid.hex}"
    assert Webhook(secret).verify(received.body, received.headers) == {
        "type": "request.completed",
        "data": {
            "correlation_uid": str(request.correlation_uid),
            "device_identification": device.identification,
            "message": "SynchronizeTime",
            "status": "SUCCEEDED",
        },
    }
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.attempts) == ("DELIVERED", 1)
    assert delivery.finished_at is not None
    [attempt] = delivery.log
    assert (attempt["status_code"], attempt["error"]) == (204, "")
    endpoint.refresh_from_db()
    assert (endpoint.last_status, endpoint.consecutive_failures) == (204, 0)
    assert endpoint.last_success_at is not None
    assert (endpoint.runner, endpoint.wake_at) == (None, None)
    assert engine() == 0


def test_a_request_has_its_own_receiver(
    organisation: Organisation, device: Device, receiver: Receiver, engine: Engine
) -> None:
    _, secret = secrets.rotate(organisation)
    complete(organisation, device, response_url=f"{receiver.origin}/one?x=1")
    complete(organisation, device, response_url=f"{receiver.origin}/two")
    assert engine() == 1
    assert sorted(each.line for each in receiver.received) == ["POST /one?x=1 HTTP/1.1", "POST /two HTTP/1.1"]
    for each in receiver.received:
        Webhook(secret).verify(each.body, each.headers)
    endpoint = Endpoint.objects.get()
    assert (endpoint.origin, endpoint.url, endpoint.is_implicit) == (receiver.origin, "", True)


def test_a_request_without_a_secret_is_signed_all_the_same(
    organisation: Organisation, device: Device, receiver: Receiver, engine: Engine
) -> None:
    complete(organisation, device, response_url=receiver.url)
    engine()
    _, secret = secrets.rotate(organisation, overlap=timedelta(hours=1))
    assert receiver.received[0].headers["webhook-signature"].startswith("v1,")
    complete(organisation, device, response_url=receiver.url)
    engine()
    Webhook(secret).verify(receiver.received[1].body, receiver.received[1].headers)


def test_both_secrets_sign_while_one_is_rotated(
    organisation: Organisation, device: Device, receiver: Receiver, engine: Engine
) -> None:
    endpoint = make_endpoint(organisation, receiver.url)
    _, old = secrets.rotate(organisation, endpoint)
    _, new = secrets.rotate(organisation, endpoint, timedelta(hours=1))
    complete(organisation, device)
    engine()
    for secret in (old, new):
        Webhook(secret).verify(receiver.received[0].body, receiver.received[0].headers)
    endpoint.secrets.filter(expires_at__isnull=False).update(expires_at=timezone.now())
    complete(organisation, device)
    engine()
    Webhook(new).verify(receiver.received[1].body, receiver.received[1].headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(old).verify(receiver.received[1].body, receiver.received[1].headers)


def test_a_rotation_without_overlap_ends_the_former_secret_at_once(
    organisation: Organisation, device: Device, receiver: Receiver, engine: Engine
) -> None:
    endpoint = make_endpoint(organisation, receiver.url)
    secrets.rotate(organisation, endpoint, timedelta(0))
    secrets.rotate(organisation, endpoint, timedelta(0))
    complete(organisation, device)
    engine()
    assert len(receiver.received[0].headers["webhook-signature"].split()) == 1


@pytest.mark.parametrize(
    ("filters", "is_told"),
    [
        ({}, True),
        ({"kinds": ["request.completed"]}, True),
        ({"kinds": ["alarm.received"]}, False),
        ({"messages": ["SynchronizeTime"], "statuses": ["SUCCEEDED"]}, True),
        ({"messages": ["FindEvents"]}, False),
        ({"statuses": ["FAILED", "CANCELLED"]}, False),
        ({"created_at": timezone.now() + timedelta(days=1)}, False),
        ({"deleted_at": timezone.now()}, False),
        ({"origin": "https://receiver.example:443"}, False),
    ],
    ids=[
        "all",
        "kind",
        "other kind",
        "message and status",
        "other message",
        "other status",
        "made later",
        "deleted",
        "implicit",
    ],
)
def test_an_endpoint_is_told_what_it_asks_for(
    organisation: Organisation, device: Device, engine: Engine, filters: dict[str, object], is_told: bool
) -> None:
    make_endpoint(organisation, paused_at=timezone.now(), **filters)
    complete(organisation, device)
    engine()
    assert Delivery.objects.exists() is is_told


def test_filters_of_requests_leave_alarms_alone(organisation: Organisation, engine: Engine) -> None:
    make_endpoint(organisation, paused_at=timezone.now(), messages=["FindEvents"], statuses=["FAILED"])
    Event.objects.create(organisation=organisation, kind=EventKind.ALARM_RECEIVED, subject=uuid.uuid4())
    engine()
    assert Delivery.objects.get().kind == "alarm.received"


def test_other_organisations_are_told_nothing(
    organisation: Organisation, other_organisation: Organisation, device: Device, engine: Engine
) -> None:
    make_endpoint(other_organisation, paused_at=timezone.now())
    complete(organisation, device)
    engine()
    assert not Delivery.objects.exists()


@pytest.mark.parametrize("attempts", [0, 1])
def test_what_was_fetched_is_not_told_any_more(
    organisation: Organisation, device: Device, receiver: Receiver, engine: Engine, attempts: int
) -> None:
    """Before its delivery was made there is none; afterwards it ends before the next attempt."""
    make_endpoint(organisation, receiver.url)
    receiver.answers = [saying(500)] * attempts
    request = complete(organisation, device)
    if attempts:
        engine()
        make_due(Delivery.objects.get())
    assert mark_fetched(request.correlation_uid, organisation.pk)
    assert not mark_fetched(request.correlation_uid, organisation.pk)
    engine()
    assert len(receiver.received) == attempts
    assert list(Delivery.objects.values_list("state", flat=True)) == ["FETCHED"] * attempts


def test_another_organisation_fetches_nothing(
    organisation: Organisation, other_organisation: Organisation, device: Device
) -> None:
    request = complete(organisation, device)
    assert not mark_fetched(request.correlation_uid, other_organisation.pk)
    assert Event.objects.get().fetched_at is None


@pytest.mark.parametrize(
    ("answer", "status", "error"),
    [
        (saying(500, b"no\x00 \xff  luck"), 500, "The receiver answered 500."),
        (saying(404), 404, "The receiver answered 404."),
        (saying(302, headers="Location: /elsewhere\r\n"), 302, "The receiver answered 302."),
        (sending(b""), None, "The connection was closed without an answer."),
        (sending(b"HTTP/1.1 200 OK\r\nContent-Le"), None, "The answer is not HTTP/1.1."),
        (sending(b"SSH-2.0-OpenSSH\r\n\r\n"), None, "The answer is not HTTP/1.1."),
        (sending(OK + b"a: b\r\n" * 20_000), None, "The answer has too many headers."),
        (sending(b"HTTP/1.1 100 Continue\r\n\r\n" * 2_000), None, "The answer has too many headers."),
    ],
    ids=["500", "404", "redirect", "closed", "cut off", "not HTTP", "huge head", "interim answers"],
)
def test_an_attempt_that_fails(
    organisation: Organisation,
    receiver: Receiver,
    engine: Engine,
    answer: object,
    status: int | None,
    error: str,
) -> None:
    receiver.answer = answer  # type: ignore[assignment]
    delivery = make_delivery(make_endpoint(organisation, receiver.url))
    engine()
    delivery.refresh_from_db()
    assert len(receiver.received) == 1
    assert (delivery.state, delivery.attempts) == ("PENDING", 1)
    [attempt] = delivery.log
    assert (attempt["status_code"], attempt["error"]) == (status, error)
    assert delivery.due_at == delivery.begun_at + timedelta(minutes=2)
    assert delivery.claim is None
    endpoint = Endpoint.objects.get()
    assert (endpoint.consecutive_failures, endpoint.last_error) == (1, error)
    assert endpoint.wake_at == delivery.due_at


def test_what_is_kept_of_an_answer_is_printable_and_short(
    organisation: Organisation, receiver: Receiver, engine: Engine
) -> None:
    receiver.answer = saying(500, b"no\x00 \x1b[31m\xff  luck\r\n" + b"x" * 3000)
    make_delivery(make_endpoint(organisation, receiver.url))
    engine()
    response = Delivery.objects.get().log[0]["response"]
    assert response.startswith("no [31m\ufffd luck xxx")
    assert len(response) == 200
    assert response.isprintable()


@pytest.mark.parametrize(
    "head",
    [OK + b"Content-Length: 100000000\r\n\r\n", OK + b"Transfer-Encoding: chunked\r\n\r\nFFFFFFF\r\n"],
    ids=["by length", "in chunks"],
)
def test_a_huge_answer_is_not_read_to_its_end(
    organisation: Organisation, receiver: Receiver, engine: Engine, head: bytes
) -> None:
    receiver.answer = sending(head + b"x" * 50_000)
    make_delivery(make_endpoint(organisation, receiver.url))
    make_delivery(Endpoint.objects.get())
    engine()
    assert set(Delivery.objects.values_list("state", flat=True)) == {"DELIVERED"}
    assert receiver.connections == 2, "the rest of an answer is no answer to the next notification"


def test_who_gives_no_answer_in_time_is_left_alone(
    organisation: Organisation, receiver: Receiver, engine: Engine
) -> None:
    receiver.answer = receiver.hang
    endpoint = make_endpoint(organisation, receiver.url)
    deliveries = [make_delivery(endpoint) for _ in range(3)]
    engine()
    assert len(receiver.received) == 1, "the others are not tried"
    endpoint.refresh_from_db()
    assert endpoint.last_error == "No answer within 0.5 s."
    assert endpoint.retry_at is not None
    assert endpoint.retry_at > timezone.now()
    assert [Delivery.objects.get(pk=each.pk).attempts for each in deliveries] == [1, 0, 0]
    assert engine() == 0


@pytest.mark.parametrize("begin", [b"", b"HTTP/1.1 200 OK\r\na: "], ids=["status", "headers"])
def test_an_octet_now_and_then_gains_no_time(
    organisation: Organisation, receiver: Receiver, engine: Engine, begin: bytes
) -> None:
    receiver.answer = receiver.drip(begin, 0.05)
    make_delivery(make_endpoint(organisation, receiver.url))
    engine()
    assert Delivery.objects.get().log[0]["error"] == "No answer within 0.5 s."


def test_the_status_counts_when_the_body_does_not_end(
    organisation: Organisation, receiver: Receiver, engine: Engine
) -> None:
    receiver.answer = receiver.drip(OK + b"Content-Length: 1000\r\n\r\nfine", 0.05)
    make_delivery(make_endpoint(organisation, receiver.url))
    engine()
    delivery = Delivery.objects.get()
    assert delivery.state == "DELIVERED"
    assert delivery.log[0]["response"].startswith("fine")


def test_nobody_listens(organisation: Organisation, engine: Engine) -> None:
    with Receiver() as gone:
        pass
    make_delivery(make_endpoint(organisation, gone.url))
    engine()
    assert Delivery.objects.get().log[0]["error"] == "The connection was refused."


def test_a_connection_is_kept_for_all_that_is_due(
    organisation: Organisation, receiver: Receiver, engine: Engine
) -> None:
    endpoint = make_endpoint(organisation, receiver.url)
    for _ in range(runs.SLICE + 10):
        make_delivery(endpoint)
    assert engine() == 1
    assert len(receiver.received) == runs.SLICE + 10
    assert receiver.connections <= 4
    assert set(Delivery.objects.values_list("state", flat=True)) == {"DELIVERED"}


def test_a_kept_connection_that_was_closed_meanwhile_is_replaced(
    organisation: Organisation, receiver: Receiver, engine: Engine
) -> None:
    def say_and_close(line: object, received: object) -> bool:
        saying(200)(line, received)  # type: ignore[arg-type]
        return False

    receiver.answer = say_and_close  # type: ignore[assignment]
    endpoint = make_endpoint(organisation, receiver.url)
    for _ in range(3):
        make_delivery(endpoint)
    engine()
    assert receiver.connections == 3
    assert set(Delivery.objects.values_list("state", flat=True)) == {"DELIVERED"}


def test_notifications_of_one_subject_are_sent_in_their_order(
    organisation: Organisation, receiver: Receiver, engine: Engine
) -> None:
    endpoint = make_endpoint(organisation, receiver.url)
    subject = uuid.uuid4()
    first = make_delivery(endpoint, subject=subject, data={"number": 1})
    second = make_delivery(endpoint, subject=subject, data={"number": 2})
    make_delivery(endpoint, data={"number": 3})
    receiver.answers = [saying(500)]
    engine()
    assert [json.loads(each.body)["data"]["number"] for each in receiver.received] == [1, 3]
    second.refresh_from_db()
    assert (second.state, second.attempts) == ("PENDING", 0)
    make_due(first)
    engine()
    assert [json.loads(each.body)["data"]["number"] for each in receiver.received] == [1, 3, 1, 2]


def test_a_notifier_that_died_after_sending_sends_again(
    organisation: Organisation,
    receiver: Receiver,
    engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Died(BaseException):
        pass

    def die(*_: object) -> None:
        raise Died

    make_delivery(make_endpoint(organisation, receiver.url))
    with monkeypatch.context() as patch:
        patch.setattr(runs, "go_on", die)
        with pytest.raises(Died):
            engine()
    assert engine() == 0, "until the lease is over"
    past = timezone.now() - timedelta(seconds=1)
    assert Endpoint.objects.update(runner_until=past) == Delivery.objects.update(claimed_until=past) == 1
    Endpoint.objects.update(wake_at=past)
    assert engine() == 1
    first, second = receiver.received
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body
    assert Delivery.objects.get().state == "DELIVERED"


def test_a_hint_that_comes_twice_or_late_does_nothing(
    organisation: Organisation, receiver: Receiver, engine: Engine
) -> None:
    make_delivery(make_endpoint(organisation, receiver.url))
    opened = scheduling.open_runs()
    for _ in range(2):
        tasks.deliver(opened.endpoints[0], str(opened.token), unknown="argument")
    tasks.deliver(opened.endpoints[0], str(uuid.uuid4()))
    assert len(receiver.received) == 1


def test_secrets_that_cannot_be_opened_are_no_attempt(
    organisation: Organisation, receiver: Receiver, engine: Engine, webhook_settings: Settings
) -> None:
    endpoint = make_endpoint(organisation, receiver.url)
    secrets.rotate(organisation, endpoint)
    make_delivery(endpoint)
    webhook_settings.OSGP = webhook_settings.OSGP | {"WEBHOOK_KEYS": f"other:{'A' * 43}="}
    engine()
    assert not receiver.received
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.attempts) == ("PENDING", 0)
    endpoint.refresh_from_db()
    assert endpoint.last_error == "The secret cannot be opened by the platform."
    assert endpoint.wake_at is not None
    assert endpoint.wake_at > timezone.now()


def test_states_of_requests_are_those_of_notifications() -> None:
    """What endpoints may ask for."""
    assert {"SUCCEEDED", "FAILED", "CANCELLED"} <= set(RequestState.values)


@pytest.mark.parametrize(
    "answer",
    [OK + b"Content-Length: 100\r\n\r\nhalf", OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhal"],
    ids=["length", "chunked"],
)
def test_a_status_counts_although_the_rest_of_the_answer_is_cut_off(
    organisation: Organisation, receiver: Receiver, engine: Engine, answer: bytes
) -> None:
    delivery = make_delivery(make_endpoint(organisation, receiver.url))
    receiver.answer = sending(answer)
    engine()
    delivery.refresh_from_db()
    assert delivery.state == "DELIVERED"
    assert len(receiver.received) == 1
