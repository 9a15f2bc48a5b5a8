"""Visits while the database is away: what they learnt is stored once, and nothing counts as a crash."""

import itertools
import logging
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any

import pytest
from django.db import InterfaceError, OperationalError, transaction
from django.utils import timezone
from pytest_django import Settings

from osgp.accounts.models import Organisation
from osgp.devices.models import Device
from osgp.faults import Fault, FaultCode
from osgp.messages.naming import BUNDLE
from osgp.messages.operation import MeterOperation, ParameterValues, Service
from osgp.messages.shapes import NoParameters, NoResult
from osgp.messages.visited_meter import VisitedMeter
from osgp.processes.stopping import stop
from osgp.requests import states
from osgp.requests.models import Action, ActionState, MeterSession, Request, RequestState, SessionState
from osgp.simulator import Fleet, SimulatorThread
from osgp.simulator.faults import FaultKind
from osgp.simulator.meter.meter import Meter
from osgp.visits import outages
from osgp.visits.leases import keeper
from osgp.visits.visit import visit_meter
from tests import factories, meters
from tests.chaos.odd_messages.operations import CountedStep
from tests.chaos.promises import final_twice, witness
from tests.counters import set_counter
from tests.requests.operations import registered
from tests.visits.lost_connections import Break, Connections

pytestmark = pytest.mark.django_db(transaction=True)


class PassingFault(MeterOperation[NoParameters, NoResult]):
    """Meets a fault that may pass."""

    message = "PassingFault"
    service = Service.ADHOC

    def perform(self, meter: VisitedMeter, parameters: ParameterValues) -> Mapping[str, Any]:
        raise Fault(FaultCode.UNABLE_TO_PROCESS_REQUEST, "Not now.", retryable=True)


@pytest.fixture
def simulated() -> Iterator[SimulatorThread]:
    with SimulatorThread(Fleet.build(1, "SMR-5.1")) as simulator, registered(CountedStep, PassingFault):
        yield simulator


@pytest.fixture
def device(organisation: Organisation, simulated: SimulatorThread, settings: Settings) -> Device:
    # Few at a time, so that visits often ask for more of either.
    settings.OSGP = settings.OSGP | {"VISIT_REQUEST_LIMIT": 2, "INVOCATION_COUNTER_BLOCK": 6}
    return next(iter(meters.add_meters(organisation, simulated).values()))


@pytest.fixture
def meter(simulated: SimulatorThread, device: Device) -> Meter:
    return simulated.meters[device.identification]


@pytest.fixture
def connections(device: Device, monkeypatch: pytest.MonkeyPatch) -> Connections:
    monkeypatch.setattr(outages, "PAUSE", 0.001)
    return Connections(monkeypatch)


def due(organisation: Organisation, device: Device, message: str, priority: int, **fields: Any) -> Request:
    at = timezone.now() - timedelta(seconds=5)
    return factories.make_request(
        organisation, device, message, due_at=at, priority=priority, effective_priority=priority, **fields
    )


UNKNOWN_OBJECT = {"class_id": 1, "obis_code": "9-9:9.9.9.9", "attribute": 2}


@transaction.atomic
def ask_for_all_kinds(organisation: Organisation, device: Device) -> None:
    """A request for each way in which a visit settles one."""
    due(organisation, device, "ActualMeterReads", 9)
    due(organisation, device, "SynchronizeTime", 8, parameters={"timezone": "America/New_York"})
    bundle = due(organisation, device, BUNDLE, 7)
    bundle.actions.all().delete()
    for position, message in enumerate(["SynchronizeTime", "CountedStep", "PassingFault"]):
        parameters = {"timezone": "America/Chicago"} if position == 0 else {}
        Action.objects.create(
            request=bundle, position=position, message=message, device=device, parameters=parameters
        )
    due(organisation, device, "CountedStep", 6)
    due(organisation, device, "GetSpecificConfigurationObject", 5, parameters=UNKNOWN_OBJECT)
    due(organisation, device, "PassingFault", 4)
    due(organisation, device, "ActualMeterReads", 3)


DONE, PENDING, FAULT = ActionState.DONE, ActionState.PENDING, ActionState.FAULT
OUTCOMES = [
    (9, RequestState.SUCCEEDED, 1, 0, [DONE]),
    (8, RequestState.SUCCEEDED, 1, 0, [DONE]),
    (7, RequestState.RETRYING, 1, 0, [DONE, DONE, PENDING]),
    (6, RequestState.SUCCEEDED, 1, 0, [DONE]),
    (5, RequestState.FAILED, 1, 0, [FAULT]),
    (4, RequestState.RETRYING, 1, 0, [PENDING]),
    (3, RequestState.SUCCEEDED, 1, 0, [DONE]),
]

STEPS = 4
"""What the meter is told to set."""
AT_LEAST = {Break.BEFORE: 25, Break.AFTER: 25, Break.COMMITTED: 5}
"""What a visit with all of that asks of the database."""


def outcomes() -> list[tuple[Any, ...]]:
    return [
        (
            request.priority,
            request.state,
            request.attempts,
            request.crashes,
            list(request.actions.order_by("position").values_list("state", flat=True)),
        )
        for request in Request.objects.order_by("-priority")
    ]


@transaction.atomic
def start_anew(device: Device) -> None:
    Action.objects.all().delete()
    Request.objects.all().delete()
    MeterSession.objects.all().delete()
    Device.objects.filter(pk=device.pk).update(time_zone="Europe/Amsterdam")
    set_counter(None)


def visit_with_one_hint_and_another(device: Device) -> None:
    """A visit; whatever it handed back or did not even claim is done with a second hint, or a new one."""
    session = meters.open_session(device)
    visit_meter(session.pk, session.token, "test")
    if Request.objects.filter(state=RequestState.SUCCEEDED).exists():
        # Once it got that far, it does not need others.
        assert outcomes() == OUTCOMES
    visit_meter(session.pk, session.token, "test")
    for another in states.open_sessions(1).sessions:
        visit_meter(another.pk, another.token, "test")


@pytest.mark.parametrize("kind", Break)
def test_a_connection_that_breaks_anywhere(
    organisation: Organisation,
    device: Device,
    meter: Meter,
    connections: Connections,
    caplog: pytest.LogCaptureFixture,
    kind: Break,
) -> None:
    statistics = meter.memory.statistics
    with witness():
        for number in itertools.count(1):
            start_anew(device)
            ask_for_all_kinds(organisation, device)
            caplog.clear()
            connections.break_at(kind, number)
            visit_with_one_hint_and_another(device)
            assert outcomes() == OUTCOMES, number
            assert set(MeterSession.objects.values_list("state", "fault")) == {(SessionState.CLOSED, None)}
            assert statistics.sets == STEPS * number, number
            device.refresh_from_db()
            assert (device.time_zone, device.failed_connections) == ("America/Chicago", 0)
            messages = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
            assert ["the database is away" in text for text in messages] == [True] * connections.broken
            if not connections.broken:
                break
        assert final_twice() == []
    assert number > AT_LEAST[kind]
    assert statistics.concurrent_associations == 0
    assert meter.memory.counters.repeated == []


# Outages that take longer


class Outage:
    """The database is away from the moment on when a request is to be stored.

    ``attempts`` calls fail, then it is back; ``meanwhile`` happens at the third.
    """

    def __init__(self, connections: Connections, attempts: float, meanwhile: Callable[[], object]) -> None:
        self.calls = 0
        self._attempts = attempts
        self._meanwhile = meanwhile
        connections.break_if(self._is_away)

    def begin(self, *_: object) -> None:
        """From now on."""
        self.calls = 1

    def _is_away(self, kind: Break, number: int) -> bool:
        if kind is not Break.BEFORE or not 0 < self.calls <= self._attempts:
            return False
        if self.calls == 3:
            self._meanwhile()
        self.calls += 1
        return True


def nothing() -> None:
    pass


@pytest.fixture
def outage(
    connections: Connections, organisation: Organisation, device: Device, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Outage]]:
    """Two requests, and a visit during which the database is away while the first one is to be stored."""
    due(organisation, device, "ActualMeterReads", 9)
    due(organisation, device, "ActualMeterReads", 8)
    perform = VisitedMeter.get_each

    def visit(attempts: float = 20, meanwhile: Callable[[], object] = nothing) -> Outage:
        outage = Outage(connections, attempts, meanwhile)

        def read_then_lose_the_database(meter: VisitedMeter, attributes: Any) -> Any:
            values = perform(meter, attributes)
            if not outage.calls:
                outage.begin()
            return values

        monkeypatch.setattr(VisitedMeter, "get_each", read_then_lose_the_database)
        session = meters.open_session(device)
        assert visit_meter(session.pk, session.token, "test")
        assert outage.calls > 3
        connections.break_if(lambda kind, number: False)
        return outage

    yield visit
    stop.withdraw()


def visited() -> list[tuple[Any, ...]]:
    """The session, then the requests."""
    (session,) = MeterSession.objects.values_list("state", "fault")
    return [session, *((state, attempts, crashes) for _, state, attempts, crashes, _ in outcomes())]


def test_an_outcome_is_stored_when_the_database_is_back(
    outage: Callable[..., Outage], meter: Meter, caplog: pytest.LogCaptureFixture
) -> None:
    outage()
    assert visited() == [("CLOSED", None), ("SUCCEEDED", 1, 0), ("SUCCEEDED", 1, 0)]
    assert meter.memory.statistics.associations == 1
    assert [record.exc_info for record in caplog.records if record.levelno >= logging.WARNING] == [None]


def lose_all_leases() -> None:
    for lease in keeper._leases.values():
        lease.line.valid_until = 0.0


def test_a_lease_that_ends_meanwhile_is_a_lost_one(
    outage: Callable[..., Outage], caplog: pytest.LogCaptureFixture
) -> None:
    outage(attempts=1e9, meanwhile=lose_all_leases)
    assert visited() == [("CLAIMED", None), ("RUNNING", 1, 0), ("RUNNING", 1, 0)]
    assert "lease was lost" in caplog.text
    MeterSession.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert states.reap() == 1
    assert visited() == [("LOST", None), ("RETRYING", 1, 1), ("RETRYING", 1, 1)]
    assert set(Request.objects.values_list("fault", flat=True)) == {None}


def test_a_process_that_is_to_end_stores_what_it_can_and_hands_back_the_rest(
    outage: Callable[..., Outage],
) -> None:
    outage(meanwhile=stop.request)
    assert visited() == [("CLOSED", None), ("SUCCEEDED", 1, 0), ("RETRYING", 0, 0)]


def test_a_process_that_is_to_end_does_not_wait_for_ever(
    outage: Callable[..., Outage], settings: Settings
) -> None:
    settings.OSGP = settings.OSGP | {"STOP_DEADLINE": timedelta(0)}
    assert outage(attempts=1e9, meanwhile=stop.request).calls == 4
    assert visited() == [("CLAIMED", None), ("RUNNING", 1, 0), ("RUNNING", 1, 0)]


def test_a_meter_that_hung_up_meanwhile_is_not_to_blame(
    outage: Callable[..., Outage], meter: Meter, device: Device
) -> None:
    outage(meanwhile=lambda: meter.faults.switch_on(FaultKind.DROP_MID_ANSWER, 1))
    session = MeterSession.objects.get()
    assert (session.state, session.fault is None) == (SessionState.CLOSED, False)
    assert [outcome[1:4] for outcome in outcomes()] == [("SUCCEEDED", 1, 0), ("RETRYING", 0, 0)]
    device.refresh_from_db()
    assert device.failed_connections == 0


@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
def test_what_cannot_be_stored_although_the_database_is_there_costs_an_attempt(
    organisation: Organisation,
    device: Device,
    connections: Connections,
    monkeypatch: pytest.MonkeyPatch,
    error: type[Exception],
) -> None:
    def fail(*_: Any) -> None:
        raise error("the disk is full")

    due(organisation, device, "ActualMeterReads", 9)
    session = meters.open_session(device)
    monkeypatch.setattr(states, "succeed", fail)
    monkeypatch.setattr(outages, "compute_duration", lambda: 0.0)
    assert visit_meter(session.pk, session.token, "test")
    request = Request.objects.get()
    assert (request.state, request.attempts, request.crashes) == (RequestState.RETRYING, 1, 0)
    assert request.fault is not None
    assert "internal error" not in request.fault["message"]
    session.refresh_from_db()
    assert session.state == SessionState.CLOSED


# Doubled hints


@pytest.mark.parametrize("holder", ["test", "another worker"])
def test_the_work_of_another_visit_is_not_handed_back(
    organisation: Organisation, device: Device, connections: Connections, holder: str
) -> None:
    """Even if that has the same name: it claimed the session before this one tried to."""
    due(organisation, device, "ActualMeterReads", 9)
    session = meters.open_session(device)
    assert states.claim_and_take(session.pk, session.token, holder, 10)
    MeterSession.objects.update(claimed_at=timezone.now() - timedelta(seconds=1))
    connections.break_at(Break.AFTER, 1, 3)
    assert not visit_meter(session.pk, session.token, "test")
    assert connections.broken == 3
    assert visited() == [("CLAIMED", None), ("RUNNING", 1, 0)]


def test_another_process_that_claims_meanwhile_keeps_what_it_has(
    organisation: Organisation, device: Device, connections: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    due(organisation, device, "ActualMeterReads", 9)
    session = meters.open_session(device)
    claim_and_take = states.claim_and_take

    def others_are_faster(*arguments: Any) -> None:
        claim_and_take(session.pk, session.token, "another worker", 10)
        raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(states, "claim_and_take", others_are_faster)
    assert not visit_meter(session.pk, session.token, "test")
    assert visited() == [("CLAIMED", None), ("RUNNING", 1, 0)]


def test_a_doubled_hint_within_the_process_leaves_the_visit_alone(
    organisation: Organisation, device: Device, connections: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    due(organisation, device, "ActualMeterReads", 9)
    session = meters.open_session(device)
    perform = VisitedMeter.get_each
    doubled: list[bool] = []

    def meanwhile(meter: VisitedMeter, attributes: Any) -> Any:
        connections.break_at(Break.BEFORE, 1)
        doubled.append(visit_meter(session.pk, session.token, "test"))
        assert connections.broken == 0
        return perform(meter, attributes)

    monkeypatch.setattr(VisitedMeter, "get_each", meanwhile)
    assert visit_meter(session.pk, session.token, "test")
    assert doubled == [False]
    assert visited() == [("CLOSED", None), ("SUCCEEDED", 1, 0)]
