"""Two device rows for one meter, of organisations that know nothing of each other; addresses that change."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.utils import timezone

from osgp.accounts.models import Organisation
from osgp.devices.models import Device
from osgp.requests.models import MeterSession, Request, RequestState, SessionState
from osgp.simulator import Behaviour, Fleet, SimulatorThread
from osgp.visits import beginning
from osgp.visits.preparing import PreparedMeter, prepare
from osgp.visits.visit import visit_meter
from tests import meters, processes
from tests.factories import make_organisation, make_request

pytestmark = pytest.mark.django_db(transaction=True)

ROUND_TRIP = 0.02
"""Seconds that a meter takes for an answer, so that associations that are not kept apart meet."""
REQUESTS = 12
"""Of each device row."""


@pytest.fixture
def simulator(request: pytest.FixtureRequest) -> Iterator[SimulatorThread]:
    with SimulatorThread(
        Fleet.build(2, "SMR-5.1", shared_keys=getattr(request, "param", False))
    ) as simulator:
        for meter in simulator.meters.values():
            meter.behaviour = Behaviour(latency=(ROUND_TRIP, ROUND_TRIP))
        yield simulator


@pytest.fixture
def rows(organisation: Organisation, simulator: SimulatorThread) -> list[tuple[Organisation, Device]]:
    """Each meter, registered by two organisations."""
    other = make_organisation("OTHER")
    own = meters.add_meters(organisation, simulator).values()
    twins = meters.add_meters(other, simulator, prefix="TWIN").values()
    return [*((organisation, device) for device in own), *((other, device) for device in twins)]


@pytest.mark.parametrize(
    "simulator", [False, True], indirect=True, ids=["a key for each meter", "one key for all"]
)
def test_a_meter_has_one_association_at_a_time_however_often_it_is_registered(
    rows: list[tuple[Organisation, Device]], simulator: SimulatorThread
) -> None:
    def ask(numbers: range) -> None:
        for number in numbers:
            for owner, device in rows:
                priority = number % 10
                make_request(
                    owner, device, "ActualMeterReads", priority=priority, effective_priority=priority
                )

    ask(range(REQUESTS // 2))
    with processes.running():
        processes.eventually(
            lambda: Request.objects.filter(state=RequestState.SUCCEEDED).exists(), "a first outcome"
        )
        ask(range(REQUESTS // 2, REQUESTS))
        processes.eventually(
            lambda: not Request.objects.exclude(state=RequestState.SUCCEEDED).exists(), "all to succeed"
        )
    processes.disconnect_others()
    assert Request.objects.count() == REQUESTS * len(rows)
    assert set(Request.objects.values_list("attempts", "crashes", "fault")) == {(1, 0, None)}
    assert [meter.memory.statistics.concurrent_associations for meter in simulator.meters.values()] == [0, 0]
    assert MeterSession.objects.values("meter").distinct().count() == len(rows)
    # Meters of one key, or one meter as two devices: whoever uses the key draws from one counter.
    assert simulator.fleet.nonces.list_repeats() == []


@pytest.fixture
def request_of_one(rows: list[tuple[Organisation, Device]]) -> Request:
    due = timezone.now() - timedelta(seconds=5)
    return make_request(*rows[0], "ActualMeterReads", due_at=due)


@pytest.mark.parametrize("suspect", [False, True])
def test_a_meter_whose_address_was_changed_since_is_not_dialled(
    request_of_one: Request, simulator: SimulatorThread, suspect: bool
) -> None:
    """There is no lease on the new address; the next session is one on that."""
    device = request_of_one.meter
    assert device is not None
    crashes = 2 if suspect else 0
    Request.objects.filter(pk=request_of_one.pk).update(crashes=crashes)
    session = meters.open_session(device)
    elsewhere = list(simulator.fleet.describe())[1]["add_device"]
    where = {name: elsewhere[name] for name in ("port", "logical_device_address")}
    before = {name: getattr(device, name) for name in where}
    Device.objects.filter(pk=device.pk).update(**where)
    assert not visit_meter(session.pk, session.token, "test")
    session.refresh_from_db()
    request_of_one.refresh_from_db()
    assert (session.state, session.fault) == (SessionState.CLOSED, None)
    assert (request_of_one.state, request_of_one.attempts) == (RequestState.RETRYING, 0)
    assert (request_of_one.crashes, request_of_one.fault) == (crashes, None)
    statistics = [meter.memory.statistics for meter in simulator.meters.values()]
    assert [each.associations + each.public_associations for each in statistics] == [0, 0]

    Device.objects.filter(pk=device.pk).update(**before)
    meters.visit(device)
    request_of_one.refresh_from_db()
    assert (request_of_one.state, request_of_one.attempts) == (RequestState.SUCCEEDED, 1)


def test_it_is_the_address_that_is_dialled_that_counts(
    request_of_one: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last moment at which it may be changed is after the claim."""
    device = request_of_one.meter
    assert device is not None

    def prepare_late(meter_id: int) -> PreparedMeter:
        Device.objects.filter(pk=meter_id).update(port=1)
        return prepare(meter_id)

    monkeypatch.setattr(beginning, "prepare", prepare_late)
    session = meters.open_session(device)
    assert not visit_meter(session.pk, session.token, "test")
    request_of_one.refresh_from_db()
    assert (request_of_one.state, request_of_one.attempts) == (RequestState.RETRYING, 0)


def test_a_session_of_the_former_release_is_visited(request_of_one: Request) -> None:
    device = request_of_one.meter
    assert device is not None
    session = meters.open_session(device)
    MeterSession.objects.update(endpoint=None)
    assert visit_meter(session.pk, session.token, "test")
    request_of_one.refresh_from_db()
    assert request_of_one.state == RequestState.SUCCEEDED
