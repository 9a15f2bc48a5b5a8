"""Simulated meters of every profile, visited over sockets, at a time that a test may move."""

from collections.abc import Iterator

import pytest

from tests.monitoring.fleet import MonitoredFleet


@pytest.fixture(scope="session")
def _running() -> Iterator[MonitoredFleet]:
    with MonitoredFleet.running() as fleet:
        yield fleet


@pytest.fixture
def fleet(_running: MonitoredFleet) -> Iterator[MonitoredFleet]:
    """The fleet as it left the factory; what a test changes is undone."""
    yield _running
    _running.reset()
