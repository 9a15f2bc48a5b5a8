"""Simulated meters of all profiles, whose true time stands still."""

from collections.abc import Iterator

import pytest

from tests.visited import Visits, all_meters


@pytest.fixture(scope="package")
def visits() -> Iterator[Visits]:
    with all_meters() as visits:
        yield visits
