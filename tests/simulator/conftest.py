"""Fleets that the tests talk to over real sockets."""

from collections.abc import Iterator

import pytest

from osgp.simulator import Fleet, SimulatorThread


@pytest.fixture
def demo() -> Iterator[SimulatorThread]:
    """The demonstration fleet: all profiles, HLS5, both transports, gas meters."""
    with SimulatorThread(Fleet.demo()) as simulator:
        yield simulator
