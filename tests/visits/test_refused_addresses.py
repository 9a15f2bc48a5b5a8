"""Meters at addresses where none is dialled: the visit fails at once, says so, and is not tried again."""

import socket
from collections.abc import Iterator

import pytest
from pytest_django import Settings

from osgp.accounts.models import Organisation
from osgp.devices.models import Device
from osgp.faults import FaultCode
from osgp.message_logs.models import MessageLog
from osgp.protocol_dlms.transport import names
from osgp.requests.models import Action, RequestState
from osgp.simulator import Fleet, SimulatorThread
from osgp.visits import addressing
from tests import meters
from tests.factories import make_request

pytestmark = pytest.mark.django_db(transaction=True)

NAME = "meter.example"


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorThread]:
    with SimulatorThread(Fleet.build(1, "SMR-5.1")) as simulator:
        yield simulator


@pytest.fixture
def device(organisation: Organisation, simulator: SimulatorThread) -> Device:
    [device] = meters.add_meters(organisation, simulator).values()
    return device


@pytest.fixture
def strict(settings: Settings) -> Settings:
    """As production is unless it is told otherwise."""
    settings.OSGP = settings.OSGP | {"METER_NETWORKS": ["0.0.0.0/0", "::/0"]}
    return settings


@pytest.fixture(autouse=True)
def _dns() -> Iterator[None]:
    former = names._Process.names
    names.use(names.Names(lambda name: ["127.0.0.1"] if name == NAME else []))
    yield
    names.use(former)


def ask(organisation: Organisation, device: Device, message: str = "ActualMeterReads") -> tuple[str, str]:
    """Code and text of the fault of a request that is over after one visit."""
    request = make_request(organisation, device, message)
    meters.visit(device)
    request.refresh_from_db()
    assert request.state == RequestState.FAILED
    fault = Action.objects.get(request=request).fault
    assert fault["retryable"] is False
    return FaultCode(fault["code"]).name, fault["message"]


@pytest.mark.parametrize("host", ["127.0.0.1", NAME])
@pytest.mark.parametrize("message", ["ActualMeterReads", "ProbeMeter"])
def test_a_visit_does_not_dial_it(
    organisation: Organisation, device: Device, strict: Settings, host: str, message: str
) -> None:
    Device.objects.filter(pk=device.pk).update(network_address=host)
    code, text = ask(organisation, device, message)
    assert code == "INVALID_IP_ADDRESS"
    assert text.startswith(f"no meter is dialled at {host} port {device.port}: it is not allowed")
    assert MessageLog.objects.get().failed_call["bytes_received"] == 0


def test_one_that_was_announced_is_forgotten(
    organisation: Organisation, device: Device, strict: Settings
) -> None:
    Device.objects.filter(pk=device.pk).update(network_address="192.0.2.1", address_is_static=False)
    device.refresh_from_db()
    assert addressing.announce(device, "127.0.0.1")
    assert ask(organisation, device)[0] == "INVALID_IP_ADDRESS"
    device.refresh_from_db()
    assert (device.network_address, device.announced_address) == ("192.0.2.1", "")


def test_services_of_the_platform_are_refused_among_meters(
    organisation: Organisation, device: Device, settings: Settings
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as service:
        service.settimeout(0)
        port = service.getsockname()[1]
        settings.OSGP = settings.OSGP | {"NEVER_DIALLED": [f"localhost:{port}"]}
        Device.objects.filter(pk=device.pk).update(port=port)
        device.refresh_from_db()
        assert ask(organisation, device)[0] == "INVALID_IP_ADDRESS"
        with pytest.raises(BlockingIOError):
            service.accept()


def test_a_host_that_does_not_exist(organisation: Organisation, device: Device) -> None:
    Device.objects.filter(pk=device.pk).update(network_address="gone.example")
    assert ask(organisation, device) == ("CONNECTION_ESTABLISH_ERROR", "there is no host gone.example")
