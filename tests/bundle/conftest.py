"""A simulated electricity meter with a gas meter, and bundles to it."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from drf_spectacular.drainage import get_override
from pytest_django import Settings

from osgp.accounts.models import Organisation
from osgp.bundle.actions import ActionField, _make_action_serializers
from osgp.devices.models import Device
from osgp.requests.api.responses import ResponseField, _make_entry_serializers
from osgp.simulator import Fleet, SimulatorThread
from osgp.simulator.meter.meter import Meter
from tests import meters
from tests.bundle import probes
from tests.requests.operations import registered


def look_messages_up_again() -> None:
    """The makers of the OpenAPI document keep the messages that they found first, in other tests perhaps."""
    for field, find in ((ActionField, _make_action_serializers), (ResponseField, _make_entry_serializers)):
        get_override(field, "field").serializers = find


@pytest.fixture(autouse=True)
def _probes() -> Iterator[None]:
    with registered(*probes.ALL):
        look_messages_up_again()
        yield
    look_messages_up_again()
    probes.Probe.performed.clear()
    probes.Probe.hooks.clear()


@pytest.fixture
def simulator() -> Iterator[SimulatorThread]:
    with SimulatorThread(Fleet.build(2, "SMR-5.1", gas_meters=1)) as simulator:
        yield simulator


@pytest.fixture
def devices(simulator: SimulatorThread, organisation: Organisation, settings: Settings) -> dict[str, Device]:
    settings.OSGP = settings.OSGP | {
        "APDU_DEADLINE": timedelta(seconds=2),
        "CONNECT_DEADLINE": timedelta(seconds=2),
    }
    return meters.add_meters(organisation, simulator)


@pytest.fixture
def electricity(devices: dict[str, Device]) -> Device:
    """The first electricity meter."""
    return next(iter(devices.values()))


@pytest.fixture
def gas(devices: dict[str, Device], electricity: Device) -> Device:
    """The gas meter behind it."""
    return next(device for device in devices.values() if device.gateway_id == electricity.pk)


@pytest.fixture
def simulated(simulator: SimulatorThread, electricity: Device) -> Meter:
    """What the simulator knows of the electricity meter."""
    return simulator.meters[electricity.identification]
