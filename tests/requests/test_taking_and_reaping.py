"""A visit takes no more once its session was given up, and what it settles in that very moment counts."""

import threading
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone
from pytest_django import Settings

from osgp.accounts.models import Organisation
from osgp.devices.models import Device
from osgp.requests import states
from osgp.requests.models import ActionState, MeterSession, RequestState, SessionState
from tests.factories import make_request
from tests.processes import eventually, is_waited_for

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


def test_what_is_settled_while_the_session_is_given_up_stays_as_it_is(
    organisation: Organisation, device: Device, settings: Settings
) -> None:
    """Also if it would have been given up with the session, having been there at others that were lost."""
    request = make_request(organisation, device, crashes=settings.OSGP["MAX_CRASHES"] - 1)
    (session,) = states.open_sessions(1).sessions
    assert states.claim(session.pk, session.token, "slow")
    assert states.take_requests(session.pk, device.pk, 1, suspects=True)
    MeterSession.objects.update(expires_at=timezone.now() - timedelta(seconds=1))

    def reap() -> None:
        try:
            states.reap()
        finally:
            connection.close()

    reaping = threading.Thread(target=reap)
    with transaction.atomic():
        assert states.retry_request(
            request.pk, session.pk, timedelta(minutes=1), fault={"code": 233}, priority=3
        )
        reaping.start()
        eventually(is_waited_for, "the session to be given up")
    reaping.join()
    session.refresh_from_db()
    assert session.state == SessionState.LOST
    request.refresh_from_db()
    assert (request.state, request.fault) == (RequestState.RETRYING, {"code": 233})
    assert request.actions.get().state == ActionState.PENDING
