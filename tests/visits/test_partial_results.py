"""A lost line keeps what came: as readings at once, for the next attempt, and in the end for the caller."""

import itertools
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings
from rest_framework.test import APIClient

from osgp.accounts.models import Organisation
from osgp.devices.models import Device
from osgp.messages.serializers import utc_text
from osgp.readings.models import Delivery
from osgp.requests import deletion, states
from osgp.requests.answers import build_outcome_body
from osgp.requests.models import Action, ActionState, MeterSession, Request, RequestState
from osgp.requests.queries import find_outcome
from osgp.simulator import Fleet, SimulatorThread
from osgp.simulator.faults import FaultKind
from osgp.simulator.meter.meter import Meter
from osgp.visits import outages
from osgp.visits.leases import keeper
from osgp.visits.visit import visit_meter
from tests import factories, meters
from tests.requests.operations import registered
from tests.visits.lost_connections import Break, Connections
from tests.visits.parts import FIRST, PERIOD, ROWS, ReadInParts, declining, passing, rows_as_json

pytestmark = pytest.mark.django_db(transaction=True)

ALL = range(ROWS)
AT_LEAST = {Break.BEFORE: 10, Break.AFTER: 10, Break.COMMITTED: 2}
"""What a visit that stores a part asks of the database."""
PENDING, FAULT, DONE = ActionState.PENDING, ActionState.FAULT, ActionState.DONE


@pytest.fixture
def simulator() -> Iterator[SimulatorThread]:
    with SimulatorThread(Fleet.build(1, "SMR-5.1")) as simulator, registered(ReadInParts):
        yield simulator
    ReadInParts.asked.clear()
    ReadInParts.hooks.clear()


@pytest.fixture
def device(simulator: SimulatorThread, organisation: Organisation, settings: Settings) -> Device:
    settings.OSGP = settings.OSGP | {
        "APDU_DEADLINE": timedelta(seconds=2),
        "CONNECT_DEADLINE": timedelta(seconds=2),
    }
    return next(iter(meters.add_meters(organisation, simulator).values()))


@pytest.fixture
def simulated(simulator: SimulatorThread, device: Device) -> Meter:
    return simulator.meters[device.identification]


@pytest.fixture
def drop(simulated: Meter) -> Any:
    """A hook: the meter's next answer ends in its middle, and so does the connection."""
    return lambda: simulated.faults.switch_on(FaultKind.DROP_MID_ANSWER, 1)


def ask(organisation: Organisation, device: Device, **fields: Any) -> Request:
    return factories.make_request(
        organisation, device, "ReadInParts", **{"due_at": timezone.now() - timedelta(seconds=5)} | fields
    )


def visit_again(device: Device) -> None:
    Request.objects.filter(state=RequestState.RETRYING).update(due_at=timezone.now() - timedelta(seconds=1))
    meters.visit(device)


def action_of(request: Request) -> Action:
    request.refresh_from_db()
    return request.actions.get()


def answer_to(request: Request) -> dict[str, Any]:
    found = find_outcome(request.organisation, request.message, request.correlation_uid)
    assert found is not None
    return build_outcome_body(found)


def read(api: APIClient) -> list[tuple[str, str]]:
    """Interval end and Wh of the readings."""
    answer = api.get("/api/v1/readings/")
    assert answer.status_code == 200
    return [(reading["interval_end"], reading["value"]) for reading in answer.json()["results"]]


def readings_of(*numbers: int) -> list[tuple[str, str]]:
    return [(utc_text(FIRST + number * PERIOD), str(100 + number)) for number in numbers]


def test_the_next_attempt_goes_on_after_the_last_row(
    organisation: Organisation, device: Device, drop: Any, api: APIClient
) -> None:
    request = ask(organisation, device)
    ReadInParts.hooks[3] = drop
    meters.visit(device)
    action = action_of(request)
    assert (request.state, action.state, action.result) == (RequestState.RETRYING, PENDING, None)
    assert action.partial_result is not None
    assert action.partial_result["rows"] == rows_as_json(0, 1, 2)
    assert read(api) == readings_of(0, 1, 2)
    assert "partial_result" not in answer_to(request), "more may come"
    ReadInParts.hooks = {5: drop}
    visit_again(device)
    assert read(api) == readings_of(*range(5))
    ReadInParts.hooks.clear()
    visit_again(device)
    action = action_of(request)
    assert (request.state, request.attempts, action.state) == (RequestState.SUCCEEDED, 3, DONE)
    assert action.result is not None
    assert action.result["rows"] == rows_as_json(*ALL)
    assert action.partial_result is None
    assert ReadInParts.asked == [0, 1, 2, 3, 3, 4, 5, 5]
    assert read(api) == readings_of(*ALL)
    assert Delivery.objects.count() == 3, "each row was stored by the attempt that got it"


def test_what_failed_in_the_end_keeps_its_rows(
    organisation: Organisation, device: Device, drop: Any, api: APIClient
) -> None:
    request = ask(organisation, device)
    ReadInParts.hooks |= {2: drop}
    for _ in range(3):
        visit_again(device)
    answer = answer_to(request)
    assert (answer["status"], answer["attempts"], answer["result"]) == ("FAILED", 3, None)
    assert answer["fault"]["code"] in {226, 229}
    assert answer["partial_result"] == {
        "rows": rows_as_json(0, 1),
        "complete_until": utc_text(FIRST + PERIOD),
    }
    assert answer["complete_until"] == utc_text(FIRST + PERIOD)
    assert ReadInParts.asked == [0, 1, 2, 2, 2], "attempts without a new row keep those of others"
    assert read(api) == readings_of(0, 1)
    deletion.delete(request)
    assert not Action.objects.exists()


def test_without_a_row_there_is_no_such_field(organisation: Organisation, device: Device, drop: Any) -> None:
    request = ask(organisation, device, bypass_retry=True)
    ReadInParts.hooks[0] = drop
    meters.visit(device)
    answer = answer_to(request)
    assert answer["status"] == "FAILED"
    assert not {"partial_result", "complete_until"} & answer.keys()


@pytest.mark.parametrize("lasts", [True, False])
def test_a_fault_of_the_action_alone(
    organisation: Organisation, device: Device, api: APIClient, lasts: bool
) -> None:
    """The association goes on: what came is kept all the same, and other requests are carried out."""
    request = ask(organisation, device, effective_priority=9)
    other = factories.make_request(organisation, device, "ActualMeterReads")
    ReadInParts.hooks[4] = declining if lasts else passing
    meters.visit(device)
    action = action_of(request)
    assert action.partial_result is not None
    assert action.partial_result["rows"] == rows_as_json(*range(4))
    assert [pair for pair in read(api) if pair in readings_of(*ALL)] == readings_of(*range(4))
    other.refresh_from_db()
    assert other.state == RequestState.SUCCEEDED
    if lasts:
        assert (request.state, action.state) == (RequestState.FAILED, FAULT)
        assert answer_to(request)["partial_result"]["rows"] == rows_as_json(*range(4))
        return
    assert (request.state, action.state) == (RequestState.RETRYING, PENDING)
    ReadInParts.hooks.clear()
    visit_again(device)
    assert (action_of(request).result or {})["rows"] == rows_as_json(*ALL)


def test_each_action_of_a_bundle_has_its_own(organisation: Organisation, device: Device, drop: Any) -> None:
    bundle = factories.make_request(organisation, device, "Bundle")
    bundle.actions.all().delete()
    for position in range(3):
        Action.objects.create(request=bundle, position=position, message="ReadInParts", device=device)
    hooks = iter([drop, declining, drop])
    ReadInParts.hooks[3] = lambda: next(hooks, lambda: None)()
    meters.visit(device)
    parts = bundle.actions.order_by("position").values_list("partial_result", flat=True)
    assert [part and len(part["rows"]) for part in parts] == [3, None, None]
    visit_again(device)
    # The first goes on; it meets what lasts in its fourth row. The second loses the line there.
    assert [part and len(part["rows"]) for part in parts.all()] == [3, 3, None]
    visit_again(device)
    answer = answer_to(bundle)
    assert [each["status"] for each in answer["responses"]] == ["FAILED", "SUCCEEDED", "SUCCEEDED"]
    first, second, third = answer["responses"]
    assert first["partial_result"]["rows"] == rows_as_json(0, 1, 2)
    assert first["complete_until"] == utc_text(FIRST + 2 * PERIOD)
    assert second["result"]["rows"] == third["result"]["rows"] == rows_as_json(*ALL)
    assert not {"partial_result", "complete_until"} & (second.keys() | third.keys())


def test_what_is_cancelled_meanwhile_keeps_it(organisation: Organisation, device: Device, drop: Any) -> None:
    request = ask(organisation, device)
    ReadInParts.hooks[3] = drop
    meters.visit(device)
    assert states.cancel(request.pk)
    answer = answer_to(request)
    assert (answer["status"], answer["fault"]) == ("CANCELLED", None)
    assert answer["partial_result"]["rows"] == rows_as_json(0, 1, 2)


def test_what_comes_too_late_keeps_it(organisation: Organisation, device: Device, drop: Any) -> None:
    request = ask(organisation, device)
    ReadInParts.hooks[3] = drop
    meters.visit(device)
    Request.objects.update(max_schedule_time=timezone.now() - timedelta(seconds=1))
    assert states.fail_overdue() == 1
    assert answer_to(request)["partial_result"]["rows"] == rows_as_json(0, 1, 2)


def test_a_worker_that_dies_loses_only_what_was_not_stored(
    organisation: Organisation, device: Device, drop: Any
) -> None:
    request = ask(organisation, device)
    ReadInParts.hooks[3] = drop
    meters.visit(device)
    Request.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    session = meters.open_session(device)
    assert states.claim_and_take(session.pk, session.token, "dies", 10) is not None
    MeterSession.objects.filter(pk=session.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    assert states.reap() == 1
    ReadInParts.hooks.clear()
    visit_again(device)
    assert (action_of(request).result or {})["rows"] == rows_as_json(*ALL)
    assert ReadInParts.asked == [0, 1, 2, 3, 3, 4, 5]


def test_a_visit_that_lost_its_lease_stores_nothing(
    organisation: Organisation, device: Device, drop: Any, api: APIClient
) -> None:
    request = ask(organisation, device)

    def lose() -> None:
        for lease in keeper._leases.values():
            lease.line.valid_until = 0.0
        drop()

    ReadInParts.hooks[3] = lose
    meters.visit(device)
    assert (action_of(request).partial_result, request.state) == (None, RequestState.RUNNING)
    assert read(api) == []


def test_only_the_visit_that_has_the_request_may_store(organisation: Organisation, device: Device) -> None:
    request = ask(organisation, device)
    action = request.actions.get()
    session = meters.open_session(device)
    part = {"rows": rows_as_json(0)}
    assert not states.keep_partial_result(action.pk, session.pk, part), "it is not taken yet"
    assert states.claim_and_take(session.pk, session.token, "test", 10) is not None
    other = factories.make_request(organisation, device, "ReadInParts")
    assert not states.keep_partial_result(other.actions.get().pk, session.pk, part)
    assert not states.has_partial_result(action.pk, session.pk, part)
    assert states.keep_partial_result(action.pk, session.pk, part)
    assert not states.keep_partial_result(action.pk, session.pk, part), "it is stored already"
    assert states.has_partial_result(action.pk, session.pk, part)
    more = {"rows": rows_as_json(0, 1)}
    assert not states.has_partial_result(action.pk, session.pk, more)
    assert states.keep_partial_result(action.pk, session.pk, more)
    fault = {"code": 232, "retryable": False}
    assert states.finish_action(action.pk, session.pk, FAULT, result=None, fault=fault)
    assert action_of(request).partial_result == more
    assert not states.keep_partial_result(action.pk, session.pk, part), "it has an outcome"


@pytest.mark.parametrize("kind", Break)
def test_a_database_that_breaks_anywhere(
    organisation: Organisation,
    device: Device,
    drop: Any,
    api: APIClient,
    monkeypatch: pytest.MonkeyPatch,
    kind: Break,
) -> None:
    """Nothing is stored twice, and nothing is lost: of a request that failed alone, and of one that lost its
    meter.
    """
    monkeypatch.setattr(outages, "PAUSE", 0.001)
    connections = Connections(monkeypatch)
    for number in itertools.count(1):
        Request.objects.all().delete()
        MeterSession.objects.all().delete()
        Delivery.objects.all().delete()
        requests = [ask(organisation, device) for _ in range(2)]
        hooks = iter([passing, drop])
        ReadInParts.hooks[3] = lambda hooks=hooks: next(hooks)()
        ReadInParts.asked.clear()
        session = meters.open_session(device)
        connections.break_at(kind, number)
        visit_meter(session.pk, session.token, "test")
        is_broken = bool(connections.broken)
        connections.break_if(lambda kind, number: False)
        if not ReadInParts.asked:  # The visit was not even claimed, or handed back before it began.
            visit_meter(session.pk, session.token, "test")
        if not ReadInParts.asked:
            visit_again(device)
        for request in requests:
            part = action_of(request).partial_result
            assert part is not None, number
            assert (request.state, part["rows"]) == (RequestState.RETRYING, rows_as_json(0, 1, 2)), number
        assert Delivery.objects.count() == 2, number
        assert read(api) == readings_of(0, 1, 2)
        if not is_broken:
            break
    assert number > AT_LEAST[kind]
