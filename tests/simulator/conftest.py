"""Fleets that the tests talk to over real sockets."""

from collections.abc import Iterator

import pytest

from osgp.simulator import Fleet, FleetSettings, SimulatorThread

from .client import RawClient, connected
from .samples import NOW


@pytest.fixture
def demo() -> Iterator[SimulatorThread]:
    """The demonstration fleet: all profiles, HLS5, both transports, gas meters."""
    with SimulatorThread(Fleet.demo()) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def frozen() -> Iterator[SimulatorThread]:
    """Meters whose time stands still."""
    settings = FleetSettings(clock=lambda: NOW, with_list_max=4, maximum_pdu_size=300)
    with SimulatorThread(Fleet.build(2, gas_meters=2, settings=settings)) as running:
        yield running


@pytest.fixture
def frozen_client(frozen: SimulatorThread) -> Iterator[RawClient]:
    """An associated client."""
    with connected(frozen, frozen.meters["SIME0000000000001"]) as associated:
        associated.associate()
        yield associated
