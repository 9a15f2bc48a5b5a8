"""Hints on their way to the broker, whichever this test runs on."""

import uuid
from collections.abc import Iterator

import pytest
from kombu import Connection
from kombu.exceptions import OperationalError

from osgp.accounts.models import Organisation
from osgp.celery import app
from osgp.requests import states
from osgp.requests.models import MeterSession
from osgp.visits.publishing import Publisher
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    publisher = Publisher()
    yield publisher
    publisher.close()


@pytest.fixture
def sessions(organisation: Organisation) -> list[MeterSession]:
    for number in range(30):
        meter = factories.make_device(f"E{number}", owner=organisation)
        factories.make_request(organisation, meter)
    return states.open_sessions(30).sessions


@pytest.fixture
def broker() -> Iterator[Connection]:
    """With an empty queue for meters."""
    with app.connection_for_read() as connection:
        queue = app.amqp.queues["meter"](connection.default_channel)
        queue.declare()
        queue.purge()
        yield connection
        queue.purge()


def received(broker: Connection) -> list[list[str]]:
    """The arguments of the hints in the queue, which is empty afterwards."""
    queue = app.amqp.queues["meter"](broker.default_channel)
    hints = []
    while (message := queue.get(no_ack=True)) is not None:
        hints.append(message.decode()[0])
    return hints


def test_the_broker_has_all_hints_when_they_are_published(
    publisher: Publisher, sessions: list[MeterSession], broker: Connection
) -> None:
    publisher.publish(sessions[:20])
    publisher.publish(sessions[20:])
    assert not publisher._unconfirmed
    wanted = sorted([str(session.pk), str(session.token)] for session in sessions)
    assert sorted(received(broker)) == wanted


def test_a_lost_connection_is_told_and_made_anew(
    publisher: Publisher, sessions: list[MeterSession], broker: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    publisher.publish(sessions[:1])

    def lose_it() -> None:
        raise ConnectionResetError("gone")

    with monkeypatch.context() as patch:
        patch.setattr(publisher, "_wait_for_confirms", lose_it)
        with pytest.raises(OperationalError, match="gone"):
            publisher.publish(sessions[1:2])
    received(broker)
    publisher.publish(sessions[2:3])
    assert received(broker) == [[str(sessions[2].pk), str(sessions[2].token)]]


def test_one_confirm_may_be_for_many(publisher: Publisher) -> None:
    publisher._unconfirmed = {1, 2, 3, 5, 6}
    publisher._on_confirmed(3, True)
    assert publisher._unconfirmed == {5, 6}
    publisher._on_confirmed(6, False)
    assert publisher._unconfirmed == {5}


def test_hints_of_sessions_that_are_gone_can_be_published(publisher: Publisher, broker: Connection) -> None:
    """Deleting a meter takes its sessions along; their hints find nothing."""
    publisher.publish([MeterSession(meter_id=0, token=uuid.uuid4())])
    assert len(received(broker)) == 1
