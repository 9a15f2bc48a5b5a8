"""Fixtures of the stream."""

from collections.abc import Iterator

import pytest

from tests.stream.listening import Serving, serving


@pytest.fixture
def stream(transactional_db: None) -> Iterator[Serving]:
    """A server of this process on the test's database."""
    with serving() as running:
        yield running
