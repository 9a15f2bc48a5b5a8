"""Lanes: in which order they work, and that they give back what a call returned or raised."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import OperationalError, connection
from pytest_django import Settings

from osgp.processes import database
from osgp.processes.database import Lanes
from tests.processes import eventually

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def one_lane(settings: Settings) -> Iterator[Lanes]:
    settings.OSGP = settings.OSGP | {"DATABASE_LANES": 1}
    lanes = Lanes()
    yield lanes
    lanes.close()


def in_threads(*calls: Callable[[], Any]) -> list[threading.Thread]:
    threads = [threading.Thread(target=call) for call in calls]
    for thread in threads:
        thread.start()
    return threads


def test_what_goes_on_ends_first_then_the_most_urgent_begin_in_their_order(one_lane: Lanes) -> None:
    order: list[str] = []
    go_on = threading.Event()
    waiting = one_lane._jobs
    threads = in_threads(lambda: one_lane.run(go_on.wait))
    eventually(lambda: one_lane._lanes and not waiting, "the lane to be taken")
    for number, (priority, name) in enumerate([(0, "late"), (4, "usual"), (9, "urgent"), (4, "another")]):
        threads += in_threads(lambda p=priority, n=name: one_lane.begin(p, order.append, n))  # type: ignore[misc]
        eventually(lambda n=number: len(waiting) > n, "the job to wait")  # type: ignore[misc]
    threads += in_threads(lambda: one_lane.run(order.append, "under way"))
    eventually(lambda: len(waiting) == 5, "all jobs to wait")
    go_on.set()
    for thread in threads:
        thread.join()
    assert order == ["under way", "urgent", "usual", "another", "late"]


def test_results_and_errors_reach_the_caller_and_the_lane_goes_on(one_lane: Lanes) -> None:
    assert one_lane.run(divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        one_lane.run(divmod, 7, 0)
    with pytest.raises(SystemExit):
        one_lane.run(exit)
    assert one_lane.run(int, "11", base=2) == 3


def test_lanes_have_connections_of_their_own_and_can_be_used_after_closing(one_lane: Lanes) -> None:
    def look() -> int:
        connection.ensure_connection()
        return id(connection.connection)

    assert one_lane.run(look) == one_lane.run(look) != look()
    one_lane.close()
    assert one_lane.run(look)


def test_each_new_connection_is_inspected_before_it_is_used(
    one_lane: Lanes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "INSPECT_EVERY", 3600)
    done: list[str] = []
    one_lane.inspect = lambda: done.append("inspected")

    def use() -> None:
        connection.ensure_connection()
        done.append("used")

    one_lane.run(use)
    one_lane.run(use)
    one_lane.run(lambda: connection.close())
    one_lane.run(use)
    assert done == ["inspected", "used", "used", "inspected", "used"]


def test_a_connection_that_stays_is_inspected_again_now_and_then(
    one_lane: Lanes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "INSPECT_EVERY", 0)
    inspected: list[None] = []
    one_lane.inspect = lambda: inspected.append(None)
    for _ in range(3):
        one_lane.run(lambda: connection.ensure_connection())
    assert len(inspected) == 3


def test_nothing_is_done_on_a_connection_while_it_cannot_be_inspected(one_lane: Lanes) -> None:
    done: list[str] = []
    failures = [OperationalError("away"), OperationalError("still away")]

    def inspect() -> None:
        if failures:
            raise failures.pop(0)

    one_lane.inspect = inspect
    for text in ("away", "still away"):
        with pytest.raises(OperationalError, match=text):
            one_lane.run(done.append, "too early")
    one_lane.run(done.append, "in time")
    assert done == ["in time"]
