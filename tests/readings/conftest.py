"""A time at which the days of these tests are past."""

import pytest
from pytest_django import Settings

from osgp.readings import clock
from tests.readings.columns import utc

NOW = utc(2026, 11, 2, 7)


@pytest.fixture(autouse=True)
def _time(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.OSGP = settings.OSGP | {"READINGS_RETENTION": None}
    monkeypatch.setattr(clock, "now", lambda: NOW)


@pytest.fixture
def next_morning(monkeypatch: pytest.MonkeyPatch) -> None:
    """The morning after 14 October, when meters hold all of that day still."""
    monkeypatch.setattr(clock, "now", lambda: utc(2026, 10, 15, 7))
