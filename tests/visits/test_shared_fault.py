"""A meter that is lost in a visit: what it was asked for shares its fault."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from osgp.accounts.models import Organisation
from osgp.devices.models import Device
from osgp.requests import states
from osgp.requests.models import Action, ActionState, Request, RequestState
from osgp.simulator import Fleet, SimulatorThread
from osgp.visits import shared_fault
from tests import factories, meters

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def unreachable(organisation: Organisation) -> Device:
    """A meter that was there when it was added."""
    with SimulatorThread(Fleet.build(1, "SMR-5.1")) as simulator:
        (device,) = meters.add_meters(organisation, simulator).values()
    return device


def due(organisation: Organisation, device: Device, **fields: Any) -> Request:
    at = timezone.now() - timedelta(seconds=5)
    return factories.make_request(organisation, device, **{"due_at": at} | fields)


def outcome(request: Request) -> Action:
    request.refresh_from_db()
    return Action.objects.get(request=request)


def test_what_a_lost_meter_was_asked_for_is_tried_again_together(
    organisation: Organisation, unreachable: Device, settings: Settings
) -> None:
    """One association will do for it, then as well."""
    settings.OSGP = settings.OSGP | {"RETRY_DELAY": timedelta(hours=1)}
    once = [due(organisation, unreachable) for _ in range(5)]
    twice = due(organisation, unreachable, attempts=1)
    urgent = due(organisation, unreachable, effective_priority=9)
    three_times = due(organisation, unreachable, attempts=2)
    too_late = due(organisation, unreachable, max_schedule_time=timezone.now() + timedelta(minutes=30))
    meters.visit(unreachable)
    assert {outcome(request).state for request in [*once, twice, urgent]} == {ActionState.PENDING}
    assert {request.state for request in [*once, twice, urgent]} == {RequestState.RETRYING}
    assert {request.effective_priority for request in once} == {3}
    assert urgent.effective_priority == 8
    assert len({request.due_at for request in once}) == 1
    assert abs(urgent.due_at - once[0].due_at) < timedelta(minutes=10) < twice.due_at - once[0].due_at
    for request in (three_times, too_late):
        action = outcome(request)
        assert (request.state, action.state) == (RequestState.FAILED, ActionState.FAULT)
        assert request.fault == action.fault == once[0].fault


def test_losing_a_meter_with_much_work_costs_as_few_statements_as_with_little(
    organisation: Organisation, device: Device
) -> None:
    fault = {"code": 225, "name": "CONNECTION_REFUSED", "retryable": True}
    costs = []
    for number in (1, 1, 50):  # PostgreSQL prepares statements at first.
        for _ in range(number):
            due(organisation, device)
            due(organisation, device, attempts=2)
        session = meters.open_session(device)
        assert states.claim_and_take(session.pk, session.token, "worker", 200)
        with CaptureQueriesContext(connection) as queries:
            shared_fault.retry_or_fail(session.pk, fault)
        costs.append(len(queries))
        assert states.close(session.pk)
        assert not Request.objects.filter(state=RequestState.RUNNING).exists()
    assert costs[1] == costs[2]
