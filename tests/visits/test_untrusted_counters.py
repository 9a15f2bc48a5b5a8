"""Invocation counters that meters claim without protection: tried once, and kept only with a proof."""

import dataclasses
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.utils import timezone

from osgp.accounts.models import Organisation
from osgp.catalogue.cosem import AttributeDescriptor
from osgp.devices import invocation_counters
from osgp.devices.models import Device, KeyCounter
from osgp.requests.models import Request, RequestState
from osgp.simulator import FaultKind, Fleet, SimulatorThread
from osgp.simulator.codec.axdr import double_long_unsigned
from osgp.simulator.meter.meter import Meter
from tests import factories, meters
from tests.counters import counter_of, set_counter

pytestmark = pytest.mark.django_db(transaction=True)

PUBLIC = AttributeDescriptor(1, bytes((0, 0, 43, 1, 0, 255)), 2)
BLOCK = 64
UNIX_TIME = 1_780_000_000


@pytest.fixture
def simulator() -> Iterator[SimulatorThread]:
    with SimulatorThread(Fleet.build(1, "SMR-5.1")) as running:
        yield running
        assert running.fleet.nonces.list_repeats() == []


@pytest.fixture
def simulated(simulator: SimulatorThread) -> Meter:
    return next(iter(simulator.meters.values()))


@pytest.fixture
def device(organisation: Organisation, simulator: SimulatorThread) -> Device:
    return next(iter(meters.add_meters(organisation, simulator).values()))


def visited(organisation: Organisation, device: Device) -> Request:
    """The outcome of the first attempt of a request of its own."""
    Request.objects.filter(state=RequestState.RETRYING).delete()
    request = factories.make_request(
        organisation, device, "SynchronizeTime", due_at=timezone.now() - timedelta(seconds=1)
    )
    meters.visit(device)
    request.refresh_from_db()
    return request


def code_of(request: Request) -> int | None:
    return request.fault["code"] if request.fault else None


def move(simulated: Meter, accepted: int) -> None:
    """Another tool talked to the meter."""
    simulated.memory.counters.highest = accepted


def tell(simulated: Meter, counter: int) -> None:
    """What the public client reads from now on, true or not."""
    simulated.set(PUBLIC, double_long_unsigned(counter))


@pytest.mark.parametrize("hangs_up", [False, True], ids=["says so", "hangs up"])
@pytest.mark.parametrize("accepted", [5_000, UNIX_TIME, 4_294_900_000])
def test_a_counter_that_another_tool_moved(
    organisation: Organisation, device: Device, simulated: Meter, accepted: int, hangs_up: bool
) -> None:
    assert visited(organisation, device).state == RequestState.SUCCEEDED
    move(simulated, accepted)
    if hangs_up:
        simulated.faults.switch_on(FaultKind.LOW_COUNTER_CLOSES)
    request = visited(organisation, device)
    assert (request.state, request.attempts, request.fault) == (RequestState.SUCCEEDED, 1, None)
    counter = counter_of(device)
    assert counter is not None
    assert accepted < counter <= accepted + 2 * BLOCK


def test_a_fresh_meter_that_begins_high(organisation: Organisation, device: Device, simulated: Meter) -> None:
    move(simulated, 4_200_000_000)
    assert counter_of(device) is None
    assert visited(organisation, device).state == RequestState.SUCCEEDED
    assert (counter_of(device) or 0) > 4_200_000_000


@pytest.mark.parametrize("claim", [100_000, 900_000, 3_999_999_999])
def test_a_lie_moves_nothing(
    organisation: Organisation, device: Device, simulated: Meter, claim: int
) -> None:
    """Whoever is on the line may turn us down and claim a counter, but cannot prove to be the meter."""
    assert visited(organisation, device).state == RequestState.SUCCEEDED
    before = counter_of(device)
    assert before is not None
    accepted = simulated.memory.counters.highest
    move(simulated, 2**32 - 1)
    simulated.behaviour = dataclasses.replace(simulated.behaviour, told_counter=claim)
    for attempt in range(1, 4):
        assert visited(organisation, device).state == RequestState.RETRYING
        assert counter_of(device) == before + attempt * BLOCK
    # Nothing that was sent for the claim is ever sent again.
    [(first, end)] = KeyCounter.objects.get().tried
    assert (first, end - first) == (claim, 9)
    move(simulated, accepted)
    assert visited(organisation, device).state == RequestState.SUCCEEDED
    assert (counter_of(device) or 0) < before + 10 * BLOCK


def test_lies_about_a_counter_that_is_not_known(
    organisation: Organisation, device: Device, simulated: Meter
) -> None:
    """With a lie that is too high the meter agrees, with one that is too low it says what it expects."""
    move(simulated, 70_000)
    tell(simulated, 3)
    assert visited(organisation, device).state == RequestState.SUCCEEDED
    assert 70_000 < (counter_of(device) or 0) < 70_000 + 2 * BLOCK


def test_a_meter_that_cannot_be_asked_is_set_right_by_an_operator(
    organisation: Organisation, device: Device, simulated: Meter
) -> None:
    assert visited(organisation, device).state == RequestState.SUCCEEDED
    move(simulated, UNIX_TIME)
    tell(simulated, 0)
    simulated.faults.switch_on(FaultKind.LOW_COUNTER_CLOSES)
    for _ in range(2):
        assert visited(organisation, device).state == RequestState.RETRYING
    invocation_counters.set_by_operator(device.pk, UNIX_TIME + 1)
    assert visited(organisation, device).state == RequestState.SUCCEEDED


def test_a_wrong_exception_response(organisation: Organisation, device: Device, simulated: Meter) -> None:
    assert visited(organisation, device).state == RequestState.SUCCEEDED
    before = counter_of(device)
    move(simulated, UNIX_TIME)
    simulated.behaviour = dataclasses.replace(simulated.behaviour, told_counter=5_000)
    assert visited(organisation, device).state == RequestState.RETRYING
    assert counter_of(device) == (before or 0) + BLOCK
    simulated.behaviour = None
    assert visited(organisation, device).state == RequestState.SUCCEEDED


def test_a_meter_that_forgot_its_counter_takes_higher_ones(
    organisation: Organisation, device: Device, simulated: Meter
) -> None:
    assert visited(organisation, device).state == RequestState.SUCCEEDED
    set_counter(9_000, device)
    move(simulated, -1)
    assert visited(organisation, device).state == RequestState.SUCCEEDED
    assert counter_of(device) == 9_000 + BLOCK


def test_a_meter_that_turns_us_down_with_a_lower_counter_is_told_with_808(
    organisation: Organisation, device: Device, simulated: Meter
) -> None:
    """As the reference: it does not let us in, and its counter is lower than ours was."""
    assert visited(organisation, device).state == RequestState.SUCCEEDED
    set_counter(9_000, device)
    tell(simulated, 12)
    simulated.faults.switch_on(FaultKind.REFUSE_ASSOCIATION, 1)
    request = visited(organisation, device)
    assert request.state == RequestState.RETRYING
    assert code_of(request) == 808
    assert request.fault is not None
    # The error of the meter itself is told as well.
    assert "rejected-permanent" in request.fault["message"]
    assert "12, is lower than the platform's" in request.fault["message"]
    assert "9000" not in request.fault["message"]
    assert counter_of(device) == 9_000 + BLOCK
