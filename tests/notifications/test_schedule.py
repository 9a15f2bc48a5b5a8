"""When a notification is sent again, and how an endpoint that fails is left alone."""

from datetime import UTC, datetime, timedelta

import pytest

from osgp.events.fetching import TOLD_FOR
from osgp.notifications.runs import LONGEST_LOG
from osgp.notifications.schedule import LAST, LONGEST_PAUSE, RETRIES, Circuit, Outcome, find_next_attempt

BEGIN = datetime(2026, 3, 29, 0, 30, tzinfo=UTC)
MOST = 5


def after(**parts: float) -> datetime:
    return BEGIN + timedelta(**parts)


def failed(at: datetime = BEGIN, status: int | None = None, retry_after: timedelta | None = None) -> Outcome:
    return Outcome(at, 1.0, status, "It failed.", retry_after=retry_after)


@pytest.mark.parametrize(
    ("now", "then"),
    [
        (after(), after(minutes=2)),
        (after(seconds=10), after(minutes=2)),
        (after(minutes=2, seconds=1), after(minutes=6)),
        (after(minutes=6, seconds=1), after(minutes=14)),
        (after(minutes=14, seconds=1), after(hours=1, minutes=14)),
        (after(hours=1, minutes=14, seconds=1), after(hours=2, minutes=14)),
        (after(hours=5), after(hours=5, minutes=14)),
        (after(hours=23, minutes=14, seconds=1), after(hours=24, minutes=14)),
        (after(hours=24, minutes=14), None),
        (after(days=9), None),
    ],
)
def test_attempts(now: datetime, then: datetime | None) -> None:
    assert find_next_attempt(BEGIN, now) == then


def test_the_schedule_as_a_whole() -> None:
    """The log has room for all of it, and a fetched result is noted for as long."""
    moments, now = [], BEGIN
    while (then := find_next_attempt(BEGIN, now)) is not None:
        moments.append(then - BEGIN)
        now = then
    assert tuple(moments) == RETRIES
    assert len(moments) == 27
    assert len(moments) < LONGEST_LOG
    assert LAST < TOLD_FOR


def test_a_circuit_opens_after_many_failures_and_pauses_grow() -> None:
    circuit, pauses = Circuit(), []
    for _ in range(20):
        circuit = circuit.note(failed(status=500), MOST)
        pauses.append(None if circuit.retry_at is None else (circuit.retry_at - BEGIN).total_seconds())
    assert pauses[:4] == [None] * 4
    assert pauses[4:9] == [30, 60, 120, 240, 480]
    assert pauses[-1] == LONGEST_PAUSE.total_seconds()
    assert circuit.is_open(MOST)
    assert not Circuit(MOST - 1).is_open(MOST)


def test_without_an_answer_there_are_pauses_from_the_first_failure_on() -> None:
    circuit, pauses = Circuit(), []
    for _ in range(6):
        circuit = circuit.note(failed(), MOST)
        assert circuit.retry_at is not None
        pauses.append((circuit.retry_at - BEGIN).total_seconds())
    assert pauses == [5, 10, 20, 40, 30, 60]


def test_one_success_closes_it() -> None:
    circuit = Circuit(17, BEGIN).note(Outcome(BEGIN, 0.1, 204), MOST)
    assert circuit == Circuit(0, None)


@pytest.mark.parametrize(("asked", "waits"), [(1, 1), (100, 100), (3600, 3600), (10**6, 3600)])
def test_a_receiver_may_ask_for_a_pause_within_bounds(asked: int, waits: int) -> None:
    circuit = Circuit().note(failed(status=429, retry_after=timedelta(seconds=asked)), MOST)
    assert circuit.retry_at == after(seconds=waits)
