"""A time at which the days of these tests are past."""

from datetime import datetime

import pytest
from pytest_django import Settings

from osgp.devices.models import Device
from osgp.readings import clock
from tests.readings.columns import utc

NOW = utc(2026, 11, 2, 7)
REGISTERED = utc(2026, 1, 1)
"""When the devices of these tests were."""


@pytest.fixture(autouse=True)
def _time(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.OSGP = settings.OSGP | {"READINGS_RETENTION": None}
    monkeypatch.setattr(clock, "now", lambda: NOW)
    created_at = Device._meta.get_field("created_at")

    def register(device: Device, add: bool) -> datetime:
        if add:
            device.created_at = REGISTERED
        return device.created_at

    monkeypatch.setattr(created_at, "pre_save", register)


@pytest.fixture
def next_morning(monkeypatch: pytest.MonkeyPatch) -> None:
    """The morning after 14 October, when meters hold all of that day still."""
    monkeypatch.setattr(clock, "now", lambda: utc(2026, 10, 15, 7))
