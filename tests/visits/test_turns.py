"""Dispatchers side by side: one opens sessions at a time, and nobody waits for it."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction

from osgp.accounts.models import Organisation
from osgp.requests import states
from osgp.requests.models import Request
from tests.factories import make_device, make_request

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def waiting(organisation: Organisation) -> None:
    """Two meters with work."""
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer at a time.")
    for name in ("E1", "E2"):
        make_request(organisation, make_device(name, owner=organisation))


def elsewhere(function: Callable[[], Any]) -> Any:
    """What ``function`` returns over another connection."""
    results = []

    def call() -> None:
        try:
            results.append(function())
        finally:
            connection.close()

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    return results[0]


def test_while_it_is_anothers_turn_nothing_is_opened_and_nobody_waits() -> None:
    with transaction.atomic():
        assert len(states.open_sessions(1).sessions) == 1
        other = elsewhere(lambda: states.open_sessions(1))
        assert (other.sessions, other.held_back) == ([], True)
    again = elsewhere(lambda: states.open_sessions(5))
    assert (len(again.sessions), again.held_back) == (1, False)


def test_who_opens_sessions_locks_no_requests() -> None:
    """A visit that begins may have to wait for the session; it must never be waited for in turn."""

    def all_requests() -> int:
        with transaction.atomic():
            return len(Request.objects.select_for_update(nowait=True))

    with transaction.atomic():
        states.open_sessions(2)
        assert elsewhere(all_requests) == 2
