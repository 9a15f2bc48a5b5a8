"""Notifiers as they run: threads beside the platform, or gevent processes that may die at any time."""

import base64
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone
from pytest_django import Settings
from standardwebhooks import Webhook

from osgp.accounts.models import Organisation
from osgp.commands.management.commands.worker import make_celery_command
from osgp.devices.models import Device
from osgp.embedded.worker import ALL_QUEUES, WorkerThread, count_threads
from osgp.events.models import Event
from osgp.notifications import secrets
from osgp.notifications.models import Delivery, Endpoint
from osgp.requests.models import Request
from tests import processes
from tests.factories import make_request
from tests.notifications.receiver import Receiver
from tests.notifications.rows import make_endpoint
from tests.processes import Process, eventually
from tests.state_check import states_by_hand

pytestmark = pytest.mark.django_db(transaction=True)

KEYS = "k:" + base64.b64encode(bytes(32)).decode()
ENVIRONMENT = {
    # As in production: what opens keys of meters is not there.
    "OSGP_LOCAL_SECRETS": "0",
    "SECRET_KEY": "not a secret of anybody",
    "OSGP_KEY_ENCRYPTION_KEYS": "",
    "OSGP_RSA_PRIVATE_KEY_FILE": "",
    "OSGP_WEBHOOK_KEYS": KEYS,
    "OSGP_WEBHOOK_ALLOW_HTTP": "1",
    "OSGP_WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8",
    "OSGP_WEBHOOK_LEASE_SECONDS": "4",
    "OSGP_WEBHOOK_DEADLINE_SECONDS": "1.5",
}


class Notifier(Process):
    """What `manage.py worker --queues notify` becomes."""

    program = ()

    def __init__(self) -> None:
        name = f"notifier-{os.urandom(4).hex()}"
        command = make_celery_command(concurrency=50, name=name, queues="notify", log_level="WARNING")
        super().__init__(*command[1:], **ENVIRONMENT)


@pytest.fixture(autouse=True)
def same_settings(webhook_settings: Settings) -> Iterator[None]:
    """Of threads, and of this process, as those of processes."""
    webhook_settings.OSGP = webhook_settings.OSGP | {
        "WEBHOOK_KEYS": KEYS,
        "WEBHOOK_LEASE": timedelta(seconds=4),
        "WEBHOOK_DEADLINE": timedelta(seconds=1.5),
        "WEBHOOK_SLOTS": 20,
    }
    yield
    processes.disconnect_others()


@contextmanager
def running(*, notifiers: int = 1) -> Iterator[list[Process]]:
    """A dispatcher and notifiers; threads do for these where processes share nothing with the test."""
    with ExitStack() as stack:
        if processes.are_shared():
            stack.enter_context(processes.dispatcher())
            yield [stack.enter_context(Notifier()) for _ in range(notifiers)]
        else:
            stack.enter_context(processes.dispatcher_thread())
            stack.enter_context(WorkerThread(concurrency=count_threads(), queues=ALL_QUEUES))
            yield []


def complete(organisation: Organisation, device: Device, number: int = 1) -> list[str]:
    """Requests that become final; returns the ids of the notifications."""
    made = [
        make_request(organisation, device, due_at=timezone.now() + timedelta(days=9)) for _ in range(number)
    ]
    with transaction.atomic(), states_by_hand():
        Request.objects.filter(pk__in=[each.pk for each in made]).update(state="SUCCEEDED")
    return [f"msg_{each.correlation_uid.hex}" for each in made]


def are_all_delivered(number: int) -> bool:
    return Delivery.objects.filter(state="DELIVERED").count() == number


def test_from_the_outcome_to_the_receiver(
    organisation: Organisation, device: Device, receiver: Receiver
) -> None:
    endpoint = make_endpoint(organisation, receiver.url)
    _, secret = secrets.rotate(organisation, endpoint)
    with running(notifiers=2):
        ids = complete(organisation, device, 30)
        eventually(lambda: are_all_delivered(30), "deliveries")
        assert sorted(each.headers["webhook-id"] for each in receiver.received) == sorted(ids)
        for each in receiver.received:
            Webhook(secret).verify(each.body, each.headers)
        # What comes while nothing else is to be done is noticed as well.
        ids += complete(organisation, device)
        eventually(lambda: are_all_delivered(31), "one more")
    assert sorted(each.headers["webhook-id"] for each in receiver.received) == sorted(ids)


def test_a_receiver_that_hangs_holds_up_nobody(
    organisation: Organisation, other_organisation: Organisation, device: Device, receiver: Receiver
) -> None:
    with Receiver() as hanging:
        hanging.answer = hanging.hang
        make_endpoint(organisation, hanging.url)
        make_endpoint(other_organisation, receiver.url)
        with running():
            complete(organisation, device, 20)
            hanging.wait_for(1)
            complete(other_organisation, device, 20)
            eventually(lambda: are_all_delivered(20), "deliveries of the other organisation")
    assert len(receiver.received) == 20
    assert not Delivery.objects.filter(endpoint__organisation=organisation, state="DELIVERED").exists()


def test_a_notifier_that_is_killed_while_it_sends(
    organisation: Organisation, device: Device, receiver: Receiver
) -> None:
    """The receiver has the notification, and nobody noted it: it gets it again, with the same id."""
    if not processes.are_shared():
        pytest.skip("a thread cannot be killed")
    receiver.answers = [receiver.hang]
    make_endpoint(organisation, receiver.url)
    with running() as [notifier]:
        [known] = complete(organisation, device)
        receiver.wait_for(1)
        notifier.kill()
        with Notifier():
            eventually(lambda: are_all_delivered(1), "the delivery by another notifier")
    assert [each.headers["webhook-id"] for each in receiver.received] == [known, known]
    assert receiver.received[0].body == receiver.received[1].body
    assert Event.objects.count() == 1
    assert Endpoint.objects.get().runner is None
