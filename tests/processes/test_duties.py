"""Hints of what dispatchers look after: not for ever, but for longer than clocks differ."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from kombu import Producer

from osgp.accounts.models import Organisation
from osgp.devices.models import Device
from osgp.processes import duties
from osgp.visits.dispatcher import Dispatcher
from tests.factories import make_request

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The headers of all messages."""
    published: list[Any] = []
    monkeypatch.setattr(Producer, "publish", lambda *_, headers, **__: published.append(headers))
    return published


def lifetimes(published: list[Any]) -> list[timedelta]:
    """By the clock of a worker that is fast by five minutes; celery.worker.request goes by this header."""
    fast = datetime.now(UTC) + timedelta(minutes=5)
    return [datetime.fromisoformat(headers["expires"]) - fast for headers in published]


@pytest.mark.parametrize("name", sorted(duties._duties))
def test_a_worker_whose_clock_is_fast_takes_the_hint(name: str, published: list[Any]) -> None:
    duties._duties[name].hint()
    (left,) = lifetimes(published)
    assert timedelta(0) < left < timedelta(hours=1)


def test_so_it_does_for_requests_that_need_no_meter(
    organisation: Organisation, device: Device, published: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duties, "_duties", {})
    make_request(organisation, device, meter=None, due_at=datetime.now(UTC) - timedelta(minutes=1))
    Dispatcher().tick()
    (left,) = lifetimes(published)
    assert timedelta(0) < left < timedelta(hours=1)
