"""A simulated electricity meter with a gas meter behind it, and requests to them."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from osgp.accounts.models import Organisation
from osgp.devices.models import Device
from osgp.message_logs.models import MessageLog
from osgp.requests.models import Request
from osgp.simulator import Fleet, SimulatorThread
from osgp.simulator.meter.meter import Meter
from tests import factories, meters

Due = Callable[..., Request]


def debug(*devices: Device, until: timedelta = timedelta(hours=1)) -> None:
    """Log the messages of these devices from now on."""
    keys = [device.pk for device in devices]
    Device.objects.filter(pk__in=keys).update(debugging_until=timezone.now() + until)


def log_of(device: Device) -> list[MessageLog]:
    """The messages in a device's log in their order."""
    return list(MessageLog.objects.filter(device=device).order_by("pk"))


@pytest.fixture
def simulator() -> Iterator[SimulatorThread]:
    with SimulatorThread(Fleet.build(1, "SMR-5.1", gas_meters=1)) as simulator:
        yield simulator


@pytest.fixture
def impatient(settings: Settings) -> None:
    settings.OSGP = settings.OSGP | {
        "APDU_DEADLINE": timedelta(seconds=2),
        "CONNECT_DEADLINE": timedelta(seconds=2),
    }


@pytest.fixture
def devices(simulator: SimulatorThread, organisation: Organisation, impatient: None) -> dict[str, Device]:
    return meters.add_meters(organisation, simulator)


@pytest.fixture
def electricity(devices: dict[str, Device]) -> Device:
    return next(device for device in devices.values() if device.gateway_id is None)


@pytest.fixture
def gas(devices: dict[str, Device]) -> Device:
    return next(device for device in devices.values() if device.gateway_id is not None)


@pytest.fixture
def simulated(simulator: SimulatorThread, electricity: Device) -> Meter:
    return simulator.meters[electricity.identification]


@pytest.fixture
def due(organisation: Organisation) -> Due:
    """Makes a request that is due, whatever the clocks say."""

    def make(device: Device, message: str = "ActualMeterReads", **fields: Any) -> Request:
        long_ago = {"due_at": timezone.now() - timedelta(seconds=5)}
        return factories.make_request(organisation, device, message, **long_ago | fields)

    return make
