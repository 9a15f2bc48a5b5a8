"""A clock of the machine that tests set, beside that of the database."""

from datetime import timedelta

import pytest
from django.utils import timezone


class Wall:
    """The clock of this machine, some seconds ahead of the right time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ahead = 0.0
        system_now = timezone.now
        monkeypatch.setattr(timezone, "now", lambda: system_now() + timedelta(seconds=self.ahead))


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> Wall:
    """Set it with ``wall.ahead``; the uptime and the database's clock go on."""
    return Wall(monkeypatch)
