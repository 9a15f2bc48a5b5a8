"""Whoever has lost the lease on a meter hangs up, so that the next one is not turned away."""

import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any

import pytest
from django.db import InterfaceError, OperationalError
from django.utils import timezone
from pytest_django import Settings

from osgp.accounts.models import Organisation
from osgp.devices.models import Device
from osgp.faults import Fault
from osgp.messages.operation import MeterOperation, ParameterValues, Service
from osgp.messages.shapes import NoParameters, NoResult
from osgp.messages.visited_meter import VisitedMeter
from osgp.requests import states
from osgp.requests.models import ActionState, MeterSession, Request, RequestState, SessionState
from osgp.simulator import Fleet, SimulatorThread
from osgp.simulator.faults import FaultKind
from osgp.simulator.meter.meter import Meter
from osgp.visits.leases import Lease, LeaseKeeper, LeaseLost, keeper
from osgp.visits.visit import visit_meter
from tests import factories, meters
from tests.processes import eventually
from tests.requests.operations import registered

pytestmark = pytest.mark.django_db(transaction=True)

happen: list[Callable[[], object]] = []
"""What happens in the middle of a step."""


class TwoReads(MeterOperation[NoParameters, NoResult]):
    """Reads the clock before and after something happens."""

    message = "TwoReads"
    service = Service.ADHOC

    def perform(self, meter: VisitedMeter, parameters: ParameterValues) -> Mapping[str, Any]:
        meter.get("CLOCK", "time")
        happen[0]()
        meter.get("CLOCK", "time")
        return {}


class TolerantReads(TwoReads):
    """Takes a fault for what the meter has to say."""

    message = "TolerantReads"

    def perform(self, meter: VisitedMeter, parameters: ParameterValues) -> Mapping[str, Any]:
        try:
            return super().perform(meter, parameters)
        except Fault:
            return {}


class CountedReads(TwoReads):
    """Must not be repeated."""

    message = "CountedReads"
    repeatable = False


@pytest.fixture
def simulator() -> Iterator[SimulatorThread]:
    with (
        SimulatorThread(Fleet.build(1, "SMR-5.1")) as simulator,
        registered(TwoReads, TolerantReads, CountedReads),
    ):
        yield simulator
    happen.clear()


@pytest.fixture
def device(organisation: Organisation, simulator: SimulatorThread) -> Device:
    return next(iter(meters.add_meters(organisation, simulator).values()))


@pytest.fixture
def meter(simulator: SimulatorThread, device: Device) -> Meter:
    return simulator.meters[device.identification]


def due(organisation: Organisation, device: Device, message: str) -> Request:
    return factories.make_request(organisation, device, message, due_at=timezone.now() - timedelta(seconds=5))


def lose() -> None:
    """As a worker that was frozen, or had no database for long, finds itself."""
    MeterSession.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert states.reap() == 1


def time_is_over() -> None:
    """Nobody has looked yet: the process was frozen up to now."""
    for lease in keeper._leases.values():
        lease.line.valid_until = time.monotonic()


def is_without_association(meter: Meter) -> bool:
    return meter.memory.associated is None


@pytest.fixture
def visit_in_vain(device: Device, meter: Meter) -> Callable[[Request], None]:
    """A visit that loses its lease: it has hung up, and changed nothing."""

    def visit(request: Request) -> None:
        session = meters.open_session(device)
        assert visit_meter(session.pk, session.token, "test")
        eventually(lambda: is_without_association(meter), "the meter to be free")
        request.refresh_from_db()
        session.refresh_from_db()
        device.refresh_from_db()
        assert (request.fault, session.fault, device.failed_connections) == (None, None, 0)
        assert request.state in {RequestState.RUNNING, RequestState.RETRYING}
        assert request.actions.get().state in {ActionState.PENDING, ActionState.STARTED}
        assert session.state in {SessionState.CLAIMED, SessionState.LOST}

    return visit


@pytest.mark.parametrize("message", ["TwoReads", "TolerantReads", "CountedReads"])
def test_nothing_more_is_sent_when_the_time_is_over(
    organisation: Organisation,
    device: Device,
    meter: Meter,
    visit_in_vain: Callable[[Request], None],
    message: str,
) -> None:
    gets: list[int] = []
    happen.append(lambda: (gets.append(meter.memory.statistics.gets), time_is_over()))
    visit_in_vain(due(organisation, device, message))
    assert gets == [meter.memory.statistics.gets]


@pytest.mark.parametrize("message", ["TwoReads", "TolerantReads", "CountedReads"])
def test_who_waits_for_an_answer_is_woken_when_the_lease_was_lost(
    organisation: Organisation,
    device: Device,
    meter: Meter,
    visit_in_vain: Callable[[Request], None],
    message: str,
    settings: Settings,
) -> None:
    settings.OSGP = settings.OSGP | {
        "APDU_DEADLINE": timedelta(minutes=3),
    }
    happen.append(lambda: meter.faults.switch_on(FaultKind.HANG))

    def find_out() -> None:
        eventually(lambda: meter.memory.statistics.faults, "the visit to wait")
        lose()
        keeper._extend(dict(keeper._leases))

    request = due(organisation, device, message)
    extending = threading.Thread(target=find_out)
    extending.start()
    visit_in_vain(request)
    extending.join()
    request.refresh_from_db()
    assert (request.state, request.crashes) == (RequestState.RETRYING, 1)


def test_who_waits_for_an_answer_is_woken_when_the_time_is_over(
    organisation: Organisation,
    device: Device,
    meter: Meter,
    visit_in_vain: Callable[[Request], None],
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The database is away, so nobody can say whose the meter is."""

    def away(*_: object) -> None:
        raise OperationalError("the database is not there")

    settings.OSGP = settings.OSGP | {
        "SESSION_LEASE": timedelta(seconds=2),
        "APDU_DEADLINE": timedelta(minutes=3),
    }
    monkeypatch.setattr(states, "extend", away)
    happen.append(lambda: meter.faults.switch_on(FaultKind.HANG))
    visit_in_vain(due(organisation, device, "TwoReads"))


def test_the_next_visit_is_not_turned_away(
    organisation: Organisation, device: Device, meter: Meter, visit_in_vain: Callable[[Request], None]
) -> None:
    happen.append(time_is_over)
    request = due(organisation, device, "TwoReads")
    visit_in_vain(request)
    lose()
    happen[0] = lambda: None
    meters.visit(device)
    request.refresh_from_db()
    assert (request.state, request.crashes) == (RequestState.SUCCEEDED, 1)
    assert meter.memory.statistics.concurrent_associations == 0


# The leases themselves


def test_the_lease_is_over_here_before_it_is_over_for_others(
    organisation: Organisation, device: Device, settings: Settings
) -> None:
    due(organisation, device, "TwoReads")
    session = meters.open_session(device)
    lease = Lease(session.pk)
    assert lease.valid_until < lease.begun_at + settings.OSGP["SESSION_LEASE"].total_seconds()
    lease.check()
    lease.line.valid_until = lease.begun_at
    with pytest.raises(LeaseLost):
        lease.check()


@pytest.mark.parametrize("how", ["time", "hung up"])
def test_a_lost_lease_does_not_come_back(device: Device, how: str) -> None:
    lease = Lease(uuid.uuid4())
    if how == "time":
        lease.line.valid_until = lease.begun_at
    else:
        lease.line.hang_up()
    lease.extend(time.monotonic() + 60)
    with pytest.raises(LeaseLost):
        lease.check()


def test_an_outage_is_told_once_and_survived(
    organisation: Organisation,
    device: Device,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    due(organisation, device, "TwoReads")
    session = meters.open_session(device)
    lease = Lease(session.pk)
    assert states.claim_and_take(session.pk, session.token, "test", 1)
    leases = {session.pk: lease}
    looks_after = LeaseKeeper()
    errors: list[Exception] = [OperationalError("away\n\tReally?"), InterfaceError("already closed")]

    def away(*_: object) -> None:
        raise errors.pop(0)

    with monkeypatch.context() as patch:
        patch.setattr(states, "extend", away)
        assert not looks_after._could_extend(leases)
        assert not looks_after._could_extend(leases)
    (record,) = [record for record in caplog.records if record.name == "osgp.visits.leases"]
    assert (record.exc_info, "\n" in record.getMessage()) == (None, False)
    until = lease.valid_until
    assert looks_after._could_extend(leases)
    assert lease.valid_until > until
    assert not lease.line.is_down
