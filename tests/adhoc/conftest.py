"""Simulated meters of all profiles, whose true time stands still."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from osgp.simulator import FleetSettings, SimulatorThread
from tests.visited import Visits, fleet_of_all

NOW = datetime(2026, 6, 15, 10, 20, 30, tzinfo=UTC)


@pytest.fixture(scope="package")
def visits() -> Iterator[Visits]:
    with SimulatorThread(fleet_of_all(FleetSettings(clock=NOW.timestamp))) as running:
        yield Visits(running)
