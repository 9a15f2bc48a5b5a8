"""Fixtures of the stream."""

from collections.abc import Iterator

import pytest

from osgp.stream import hub
from tests.stream.listening import Serving, serving


@pytest.fixture
def quick_rechecks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who listens is checked all the time; for servers that start afterwards."""
    monkeypatch.setattr(hub, "RECHECK", 0.2)


@pytest.fixture
def stream(transactional_db: None) -> Iterator[Serving]:
    """A server of this process on the test's database."""
    with serving() as running:
        yield running
