"""What people change of an endpoint while a run sends to it: it counts from the next slice on."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from osgp.accounts.models import Organisation
from osgp.notifications import endpoints, runs, secrets
from osgp.notifications.models import Delivery, Endpoint
from osgp.notifications.sending import Sender
from tests.notifications.conftest import Engine
from tests.notifications.receiver import Receiver, saying
from tests.notifications.rows import make_delivery, make_endpoint

pytestmark = pytest.mark.django_db
SLICE = 2


@pytest.fixture(autouse=True)
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Callable[[], object]]]:
    """What is done between the first slice that was sent and the next one."""
    done: list[Callable[[], object]] = []
    send = Sender.send

    def send_and_do(sender: Sender) -> object:
        outcomes = send(sender)
        while done:
            done.pop()()
        return outcomes

    monkeypatch.setattr(Sender, "send", send_and_do)
    monkeypatch.setattr(runs, "SLICE", SLICE)
    yield done
    assert not done, "nothing was sent"


def test_nothing_more_is_sent_once_it_is_paused(
    organisation: Organisation, receiver: Receiver, engine: Engine, meanwhile: list[Callable[[], object]]
) -> None:
    endpoint = make_endpoint(organisation, receiver.url)
    for _ in range(3 * SLICE):
        make_delivery(endpoint)
    meanwhile.append(lambda: endpoints.pause(endpoint))
    engine()
    assert len(receiver.received) == SLICE
    assert Delivery.objects.filter(state="PENDING", claim=None).count() == 2 * SLICE
    endpoints.resume(endpoint)
    engine()
    assert len(receiver.received) == 3 * SLICE, "each once"


@pytest.mark.parametrize("end", ["delete", "disable"])
def test_nothing_more_is_sent_once_it_is_over(
    organisation: Organisation,
    receiver: Receiver,
    engine: Engine,
    meanwhile: list[Callable[[], object]],
    end: str,
) -> None:
    endpoint = make_endpoint(organisation, receiver.url)
    for _ in range(2 * SLICE):
        make_delivery(endpoint)
    rows = Organisation.objects.filter(pk=organisation.pk)
    meanwhile.append(lambda: endpoints.delete(endpoint) if end == "delete" else rows.update(enabled=False))
    engine()
    assert engine() == 0
    assert len(receiver.received) == SLICE
    assert Endpoint.objects.get().runner is None


def test_a_secret_that_leaked_signs_nothing_more(
    organisation: Organisation, receiver: Receiver, engine: Engine, meanwhile: list[Callable[[], object]]
) -> None:
    endpoint = make_endpoint(organisation, receiver.url)
    _, leaked = secrets.rotate(organisation, endpoint)
    for _ in range(2 * SLICE):
        make_delivery(endpoint)
    made: list[str] = []
    meanwhile.append(lambda: made.append(secrets.rotate(organisation, endpoint, timedelta(0))[1]))
    engine()
    assert len(receiver.received) == 2 * SLICE
    for received in receiver.received[:SLICE]:
        Webhook(leaked).verify(received.body, received.headers)
    for received in receiver.received[SLICE:]:
        Webhook(made[0]).verify(received.body, received.headers)
        with pytest.raises(WebhookVerificationError):
            Webhook(leaked).verify(received.body, received.headers)


def test_what_waits_goes_to_the_new_url_of_which_nothing_bad_is_known(
    organisation: Organisation, receiver: Receiver, engine: Engine, meanwhile: list[Callable[[], object]]
) -> None:
    receiver.answer = saying(410)
    with Receiver() as new:
        endpoint = make_endpoint(organisation, receiver.url)
        for _ in range(2 * SLICE):
            make_delivery(endpoint)
        meanwhile.append(lambda: endpoints.change(endpoint, {"url": new.url}))
        engine()
        kept = Endpoint.objects.get()
        assert (kept.consecutive_failures, kept.retry_at, kept.paused_at) == (0, None, None)
        assert (kept.last_error, kept.runner) == ("", None)
        engine()
        number = len(receiver.received)
        assert number >= 1
        assert len(new.received) == 2 * SLICE - number, "the rest is retried by its schedule"
