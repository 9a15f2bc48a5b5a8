"""Simulated meters that get the quirks of each test."""

from collections.abc import Iterator

import pytest

from scripts.benchmarks.quirk_visits import QuirkyMeters


@pytest.fixture(scope="session")
def meters() -> Iterator[QuirkyMeters]:
    """Both profiles, with wrapper and HDLC, at one moment."""
    with QuirkyMeters.running() as running:
        yield running
