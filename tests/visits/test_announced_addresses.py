"""System titles that visits learn, and addresses that were announced for meters that move."""

from collections.abc import Iterator

import pytest

from osgp.accounts.models import Organisation
from osgp.catalogue.communication import Security
from osgp.devices.models import Device
from osgp.requests.models import MeterSession, Request, RequestState
from osgp.simulator import Fleet, SimulatorThread
from osgp.visits import addressing
from tests import meters
from tests.factories import make_device, make_request

pytestmark = pytest.mark.django_db(transaction=True)

ELSEWHERE = "127.0.0.2"
"""Where nobody listens: the simulator does so on 127.0.0.1 only."""


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorThread]:
    with SimulatorThread(Fleet.build(1, "SMR-5.1")) as simulator:
        yield simulator


@pytest.fixture
def device(organisation: Organisation, simulator: SimulatorThread) -> Device:
    [device] = meters.add_meters(organisation, simulator).values()
    return device


def _ask_and_visit(organisation: Organisation, device: Device) -> Request:
    request = make_request(organisation, device, "ActualMeterReads", bypass_retry=True)
    meters.visit(device)
    request.refresh_from_db()
    device.refresh_from_db()
    return request


def test_a_visit_learns_the_system_title(
    organisation: Organisation, device: Device, simulator: SimulatorThread
) -> None:
    assert device.system_title == ""
    assert _ask_and_visit(organisation, device).state == RequestState.SUCCEEDED
    [meter] = simulator.meters.values()
    assert device.system_title == meter.system_title.hex().upper()
    assert len(device.system_title) == 16


def test_an_announced_address_is_kept_once_the_meter_has_authenticated_there(
    organisation: Organisation, device: Device
) -> None:
    Device.objects.filter(pk=device.pk).update(network_address=ELSEWHERE, address_is_static=False)
    device.refresh_from_db()
    assert addressing.announce(device, "127.0.0.1")
    assert _ask_and_visit(organisation, device).state == RequestState.SUCCEEDED
    assert (device.network_address, device.announced_address) == ("127.0.0.1", "")
    assert MeterSession.objects.get().endpoint == f"127.0.0.1 {device.port} {device.logical_device_address}"


def test_one_where_nobody_answers_is_tried_once(organisation: Organisation, device: Device) -> None:
    Device.objects.filter(pk=device.pk).update(address_is_static=False)
    device.refresh_from_db()
    assert addressing.announce(device, ELSEWHERE)
    assert _ask_and_visit(organisation, device).state == RequestState.FAILED
    assert (device.network_address, device.announced_address) == ("127.0.0.1", "")
    assert _ask_and_visit(organisation, device).state == RequestState.SUCCEEDED


def test_one_where_another_meter_answers_is_not_kept(
    organisation: Organisation, device: Device, simulator: SimulatorThread
) -> None:
    with SimulatorThread(Fleet.build(1, "SMR-5.1", seed=99), host=ELSEWHERE, port=device.port):
        Device.objects.filter(pk=device.pk).update(address_is_static=False)
        device.refresh_from_db()
        assert addressing.announce(device, ELSEWHERE)
        assert _ask_and_visit(organisation, device).state == RequestState.FAILED
        assert (device.network_address, device.announced_address) == ("127.0.0.1", "")
        assert device.system_title == ""


@pytest.mark.parametrize(
    "changes",
    [
        {"address_is_static": True},
        {"security": Security.LLS},
        {"security": Security.NONE},
        {"network_address": ELSEWHERE},
    ],
    ids=str,
)
def test_addresses_that_are_not_taken_up(organisation: Organisation, changes: dict[str, object]) -> None:
    fields = {"address_is_static": False, "security": Security.HLS5, "network_address": "127.0.0.1"} | changes
    device = make_device("METER1", owner=organisation, **fields)
    assert not addressing.announce(device, ELSEWHERE)
    device.refresh_from_db()
    assert device.announced_address == ""
