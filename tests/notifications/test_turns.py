"""Who is sent to next: fairly among organisations, and with little of it for those that fail."""

import threading
import uuid
from collections import Counter
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone
from pytest_django import Settings

from osgp.accounts.models import Organisation
from osgp.events.models import Event, EventKind
from osgp.notifications import attending, duties, fanout, housekeeping, scheduling
from osgp.notifications.models import Delivery, Endpoint, FanOut, Secret
from osgp.notifications.schedule import LAST
from tests.factories import make_organisation
from tests.notifications.conftest import Engine
from tests.notifications.receiver import Receiver, saying
from tests.notifications.rows import make_delivery, make_endpoint
from tests.notifications.test_delivering import make_due
from tests.state_check import states_by_hand

pytestmark = pytest.mark.django_db


def make_due_endpoints(organisation: Organisation, number: int, **fields: object) -> set[int]:
    """Endpoints that each have something due."""
    made = [make_endpoint(organisation, **fields) for _ in range(number)]
    for endpoint in made:
        make_delivery(endpoint)
    return {endpoint.pk for endpoint in made}


def test_an_organisation_has_a_share_of_the_slots(
    webhook_settings: Settings, organisation: Organisation, other_organisation: Organisation
) -> None:
    webhook_settings.OSGP = webhook_settings.OSGP | {"WEBHOOK_SLOTS": 40}
    many = make_due_endpoints(organisation, 30)
    few = make_due_endpoints(other_organisation, 3)
    opened = set(scheduling.open_runs().endpoints)
    assert few <= opened
    assert len(opened & many) == scheduling.count_organisation_slots() == 10
    assert not scheduling.open_runs().endpoints, "until one of its runs ends"
    ended = min(opened & many)
    Endpoint.objects.filter(pk=ended).update(runner=None, runner_until=None, wake_at=None)
    [following] = scheduling.open_runs().endpoints
    assert following in many - opened


def test_all_slots_together_are_not_exceeded(webhook_settings: Settings) -> None:
    webhook_settings.OSGP = webhook_settings.OSGP | {"WEBHOOK_SLOTS": 8}
    for number in range(10):
        make_due_endpoints(make_organisation(f"U{number}"), 2)
    opened = scheduling.open_runs().endpoints
    owners = Counter(Endpoint.objects.filter(pk__in=opened).values_list("organisation", flat=True))
    assert len(opened) == 8
    assert set(owners.values()) == {1}, "each has a turn before any has a second one"


def test_endpoints_that_failed_share_a_few_slots(
    webhook_settings: Settings, organisation: Organisation
) -> None:
    webhook_settings.OSGP = webhook_settings.OSGP | {"WEBHOOK_SLOTS": 20}
    failing = set()
    for number in range(6):
        failing |= make_due_endpoints(make_organisation(f"U{number}"), 1, consecutive_failures=1)
    # Of the same organisation: what failed does not take the turn of what did not.
    failing |= make_due_endpoints(organisation, 10, consecutive_failures=3)
    healthy = make_due_endpoints(organisation, 2)
    opened = set(scheduling.open_runs().endpoints)
    assert healthy <= opened
    assert len(opened & failing) == scheduling.count_failing_slots() == 2


@pytest.mark.parametrize(
    "fields",
    [
        {"paused_at": timezone.now()},
        {"deleted_at": timezone.now()},
        {"retry_at": timezone.now() + timedelta(days=999)},
        {"runner": uuid.uuid4(), "runner_until": timezone.now() + timedelta(days=999)},
    ],
    ids=["paused", "deleted", "circuit", "running"],
)
def test_endpoints_that_have_no_turn(organisation: Organisation, fields: dict[str, object]) -> None:
    make_due_endpoints(organisation, 1, **fields)
    assert not scheduling.open_runs().endpoints


def test_a_disabled_organisation_has_no_turn(organisation: Organisation) -> None:
    make_due_endpoints(organisation, 1)
    Organisation.objects.update(enabled=False)
    assert not scheduling.open_runs().endpoints
    Organisation.objects.update(enabled=True)
    assert scheduling.open_runs().endpoints


def test_a_run_whose_hint_was_lost_is_opened_again(organisation: Organisation) -> None:
    [key] = make_due_endpoints(organisation, 1)
    first = scheduling.open_runs()
    assert not scheduling.open_runs().endpoints
    Endpoint.objects.filter(pk=key).update(runner_until=timezone.now() - timedelta(seconds=1))
    second = scheduling.open_runs()
    assert first.endpoints == second.endpoints == [key]
    assert first.token != second.token


def test_an_open_circuit_lets_one_delivery_through(
    organisation: Organisation, receiver: Receiver, engine: Engine, webhook_settings: Settings
) -> None:
    webhook_settings.OSGP = webhook_settings.OSGP | {"WEBHOOK_CIRCUIT_FAILURES": 3}
    receiver.answer = saying(500)
    endpoint = make_endpoint(organisation, receiver.url, consecutive_failures=1)
    deliveries = [make_delivery(endpoint) for _ in range(5)]
    engine()
    assert len(receiver.received) == 2, "the third failure in a row opens it"
    endpoint.refresh_from_db()
    assert endpoint.consecutive_failures == 3
    assert endpoint.retry_at is not None
    assert engine() == 0
    Endpoint.objects.update(retry_at=timezone.now() - timedelta(seconds=1))
    engine()
    assert len(receiver.received) == 3, "one is tried"
    receiver.answer = saying(200)
    Endpoint.objects.update(retry_at=timezone.now() - timedelta(seconds=1))
    engine()
    states = [Delivery.objects.get(pk=each.pk).state for each in deliveries]
    assert states.count("DELIVERED") == 2, "the other three have schedules of their own"
    assert len(receiver.received) == 5
    for each in deliveries:
        make_due(each)
    engine()
    assert set(Delivery.objects.values_list("state", flat=True)) == {"DELIVERED"}
    endpoint.refresh_from_db()
    assert (endpoint.consecutive_failures, endpoint.retry_at) == (0, None)


def test_a_delivery_fails_after_its_last_attempt(
    organisation: Organisation, receiver: Receiver, engine: Engine
) -> None:
    receiver.answer = saying(500)
    delivery = make_delivery(
        make_endpoint(organisation, receiver.url), begun_at=timezone.now() - LAST, attempts=27
    )
    engine()
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts) == ("FAILED", 28)
    assert delivery.finished_at is not None


def test_an_endpoint_that_fails_for_a_day_fails_what_waits(
    organisation: Organisation, receiver: Receiver, engine: Engine
) -> None:
    """Also what its circuit never let through."""
    receiver.answer = saying(500)
    endpoint = make_endpoint(organisation, receiver.url, consecutive_failures=40)
    young = make_delivery(endpoint)
    old = make_delivery(endpoint, begun_at=timezone.now() - LAST - timedelta(minutes=1))
    engine()
    assert len(receiver.received) == 1
    old.refresh_from_db()
    young.refresh_from_db()
    assert (old.state, young.state) == ("FAILED", "PENDING")


def test_an_endpoint_that_is_gone_is_paused(
    organisation: Organisation, receiver: Receiver, engine: Engine
) -> None:
    receiver.answer = saying(410)
    endpoint = make_endpoint(organisation, receiver.url)
    for _ in range(3):
        make_delivery(endpoint)
    engine()
    endpoint.refresh_from_db()
    assert len(receiver.received) == 1
    assert endpoint.paused_at is not None
    assert endpoint.pause_reason == "The receiver answered 410 Gone."
    assert set(Delivery.objects.values_list("state", flat=True)) == {"PENDING"}
    assert engine() == 0


def test_the_url_of_a_request_that_is_gone_stops_no_other(
    organisation: Organisation, receiver: Receiver, engine: Engine
) -> None:
    receiver.answers = [saying(410)]
    endpoint = make_endpoint(organisation, "", origin=receiver.origin)
    gone = make_delivery(endpoint, url=f"{receiver.origin}/gone")
    other = make_delivery(endpoint, url=f"{receiver.origin}/other")
    engine()
    gone.refresh_from_db()
    other.refresh_from_db()
    assert (gone.state, other.state) == ("FAILED", "DELIVERED")
    assert Endpoint.objects.get().paused_at is None


def test_a_receiver_that_asks_for_time_gets_it(
    organisation: Organisation, receiver: Receiver, engine: Engine
) -> None:
    receiver.answer = saying(429, headers="Retry-After: 600\r\n")
    endpoint = make_endpoint(organisation, receiver.url)
    first, second = make_delivery(endpoint), make_delivery(endpoint)
    engine()
    first.refresh_from_db()
    second.refresh_from_db()
    endpoint.refresh_from_db()
    assert len(receiver.received) == 1
    assert endpoint.retry_at is not None
    assert timedelta(seconds=590) < endpoint.retry_at - timezone.now() <= timedelta(seconds=600)
    assert first.due_at == endpoint.retry_at
    assert second.attempts == 0


# --- Several processes --------------------------------------------------------------------------------


def make_events(organisation: Organisation, number: int) -> None:
    for _ in range(number):
        Event.objects.create(organisation=organisation, kind=EventKind.SYSTEM_EVENT, subject=uuid.uuid4())


@pytest.mark.django_db(transaction=True)
def test_two_processes_make_each_delivery_once(
    organisation: Organisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fanout, "SLICE", 7)
    endpoints = [make_endpoint(organisation), make_endpoint(organisation)]
    make_events(organisation, 60)
    begin = threading.Barrier(3)
    errors: list[BaseException] = []

    def advance() -> None:
        try:
            begin.wait(10)
            for _ in range(200):
                fanout.advance()
        except BaseException as error:  # noqa: BLE001 (told to the test)
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=advance) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not errors
    made = Counter(Delivery.objects.values_list("endpoint", "event"))
    assert len(made) == 60 * len(endpoints)
    assert set(made.values()) == {1}
    assert fanout.find_position() == 60


@pytest.mark.django_db(transaction=True)
def test_a_process_that_dies_while_it_makes_deliveries_has_made_none(
    organisation: Organisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_endpoint(organisation)
    make_events(organisation, 3)

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(fanout, "wake", die)
        with pytest.raises(KeyboardInterrupt):
            fanout.advance()
    assert not Delivery.objects.exists()
    assert fanout.advance() == 3
    assert Delivery.objects.count() == 3


def test_wishes_for_the_url_of_a_request_that_is_not_allowed_any_more(
    organisation: Organisation, webhook_settings: Settings
) -> None:
    for url in ("http://127.0.0.1:8000/x", "https://receiver.example/y"):
        Event.objects.create(
            organisation=organisation,
            kind=EventKind.REQUEST_COMPLETED,
            subject=uuid.uuid4(),
            response_url=url,
        )
    webhook_settings.OSGP = webhook_settings.OSGP | {"WEBHOOK_ALLOW_HTTP": False}
    fanout.advance()
    assert Delivery.objects.get().url == "https://receiver.example/y"
    assert fanout.find_position() == 2


@pytest.mark.django_db(transaction=True)
def test_there_is_one_attendant_and_a_silent_one_is_replaced() -> None:
    first, second = uuid.uuid4(), uuid.uuid4()
    assert attending._take_over(first)
    assert attending._take_over(first)
    assert not attending._take_over(second)
    assert attending.is_attended()
    FanOut.objects.update(attended_until=timezone.now() - timedelta(seconds=1))
    assert not attending.is_attended()
    assert attending._take_over(second)
    assert not attending._take_over(first)
    attending._leave(first)
    assert attending.is_attended()
    attending._leave(second)
    assert not attending.is_attended()


def test_dispatchers_ask_for_an_attendant_where_one_is_wanted(organisation: Organisation) -> None:
    assert not duties.is_due()
    make_events(organisation, 1)
    assert duties.is_due(), "an event may have a URL of its own"
    fanout.advance()
    assert not duties.is_due()
    make_endpoint(organisation)
    assert duties.is_due(), "with an endpoint there is always one"
    attending._take_over(uuid.uuid4())
    assert not duties.is_due()


# --- Housekeeping --------------------------------------------------------------------------------------


def test_what_is_past_its_retention_goes(organisation: Organisation) -> None:
    long_ago = timezone.now() - timedelta(days=30)
    endpoint = make_endpoint(organisation)
    paused = make_endpoint(organisation, paused_at=long_ago)
    implicit = make_endpoint(organisation, "", origin="https://a.example:443", created_at=long_ago)
    young = make_delivery(endpoint)
    waiting = make_delivery(endpoint, created_at=long_ago)
    given_up = make_delivery(paused, created_at=long_ago)
    make_delivery(implicit, created_at=long_ago, state="DELIVERED")
    with transaction.atomic():
        housekeeping.clean_up()
    assert set(Delivery.objects.values_list("pk", "state")) == {
        (young.pk, "PENDING"),
        (waiting.pk, "PENDING"),
    }
    assert not Delivery.objects.filter(pk=given_up.pk).exists()
    assert set(Endpoint.objects.all()) == {endpoint, paused}


def test_a_deleted_endpoint_goes_with_its_deliveries(organisation: Organisation) -> None:
    endpoint = make_endpoint(organisation, deleted_at=timezone.now())
    delivery = make_delivery(endpoint)
    housekeeping.clean_up()
    delivery.refresh_from_db()
    assert delivery.state == "CANCELLED"
    with states_by_hand():
        Delivery.objects.update(created_at=timezone.now() - timedelta(days=30))
    housekeeping.clean_up()
    assert not Endpoint.objects.exists()
    assert not Secret.objects.exists()


def test_what_waits_for_a_disabled_organisation_goes_with_time(organisation: Organisation) -> None:
    delivery = make_delivery(make_endpoint(organisation, "https://portal.example.org/"))
    Organisation.objects.filter(pk=organisation.pk).update(enabled=False)
    housekeeping.clean_up()
    assert Delivery.objects.filter(pk=delivery.pk, state="PENDING").exists()
    Delivery.objects.filter(pk=delivery.pk).update(created_at=timezone.now() - timedelta(days=15))
    housekeeping.clean_up()
    assert not Delivery.objects.filter(pk=delivery.pk).exists()
