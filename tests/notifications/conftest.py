"""What tests of notifications share: settings of a laptop, and an engine without a broker."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from osgp.notifications import fanout, scheduling, tasks
from osgp.processes.database import lanes
from tests.notifications.receiver import Receiver


@pytest.fixture(autouse=True)
def webhook_settings(settings: Settings, tmp_path: Path) -> Settings:
    """Loopback may be dialled without TLS, and nothing takes long."""
    settings.VAR_DIR = tmp_path
    settings.OSGP = settings.OSGP | {
        "LOCAL_SECRETS": True,
        "WEBHOOK_KEYS": "",
        "WEBHOOK_ALLOWED_NETWORKS": ["127.0.0.0/8", "::1/128"],
        "WEBHOOK_ALLOW_HTTP": True,
        "WEBHOOK_DEADLINE": timedelta(seconds=0.5),
        "WEBHOOK_SLOTS": 1000,
    }
    return settings


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Answers 204 unless told otherwise."""
    with Receiver() as receiver:
        yield receiver


Engine = Callable[[], int]


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    """Makes deliveries of events, and sends what is due, in this thread; returns how many runs there were."""

    def run_here(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    monkeypatch.setattr(lanes, "run", run_here)

    def go() -> int:
        while fanout.advance():
            pass
        opened = scheduling.open_runs()
        for endpoint in opened.endpoints:
            tasks.deliver(endpoint, str(opened.token))
        return len(opened.endpoints)

    return go
