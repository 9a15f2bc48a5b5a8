"""Whatever is cut off whenever, each event comes once and in order, while several give events positions."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from osgp.accounts.models import Organisation
from osgp.events.models import Event
from osgp.events.numbering import number_new
from osgp.stream import reading
from tests import factories
from tests.stream.listening import Serving, serving, tell

LONGEST = 8


@contextmanager
def numbering() -> Iterator[None]:
    """Another process that gives events positions, all the time."""
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(0.01):
            number_new()
        connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@contextmanager
def telling(organisation: Organisation, stranger: Organisation, count: int) -> Iterator[None]:
    """Events of two organisations, stored while the block runs."""

    def work() -> None:
        for _ in range(count):
            tell(organisation)
            tell(stranger)
        connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        thread.join()


@pytest.mark.django_db(transaction=True)
def test_each_event_comes_once_and_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "SLICE", 4)
    organisation, stranger = factories.make_organisation(), factories.make_organisation("STRANGER")
    token = factories.make_token(organisation)

    @settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(cuts=st.lists(st.integers(0, LONGEST), min_size=1, max_size=6), other_process=st.booleans())
    def check(cuts: list[int], other_process: bool) -> None:
        begin = reading.find_bounds()[1]
        with telling(organisation, stranger, sum(cuts)):
            seen = begin
            positions: list[int] = []
            for cut in cuts:
                positions += listen_to(streams[other_process and len(positions) % 2], token, seen, cut)
                seen = positions[-1] if positions else begin
        expected = Event.objects.filter(organisation=organisation, position__gt=begin).order_by("position")
        assert positions == list(expected.values_list("position", flat=True))
        assert len(positions) == sum(cuts)

    with serving() as first, serving() as second, numbering():
        streams = [first, second]
        check()


def listen_to(stream: Serving, token: str, after: int, count: int) -> list[int]:
    """Positions of the next events; then the line is cut."""
    with stream.listen(token, Last_Event_ID=str(after)) as listener:
        assert listener.status == 200
        return [listener.read_event().position for _ in range(count)]
