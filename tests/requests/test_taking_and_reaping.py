"""A visit takes no more requests once its session was given up, not even in that very moment."""

import threading
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from osgp.accounts.models import Organisation
from osgp.devices.models import Device
from osgp.requests import states
from osgp.requests.models import MeterSession, RequestState
from tests.factories import make_request

pytestmark = pytest.mark.django_db(transaction=True)


def test_nothing_is_taken_into_a_session_that_is_being_given_up(
    organisation: Organisation, device: Device
) -> None:
    first = make_request(organisation, device)
    (session,) = states.open_sessions(1).sessions
    assert states.claim_and_take(session.pk, session.token, "slow", 1)
    second = make_request(organisation, device)
    MeterSession.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    taken: list[int] = []

    def take() -> None:
        taken.append(states.take_requests(session.pk, device.pk, 10))
        connection.close()

    visit = threading.Thread(target=take)
    with transaction.atomic():
        assert states.reap() == 1
        visit.start()
        visit.join(1)  # It has finished, or waits for the end of this transaction.
    visit.join()
    first.refresh_from_db()
    second.refresh_from_db()
    assert taken == [0]
    assert (first.state, second.state) == (RequestState.RETRYING, RequestState.QUEUED)
