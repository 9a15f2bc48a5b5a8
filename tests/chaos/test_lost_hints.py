"""Hints that come twice, get lost, or are thrown away with the queue: the database knows better."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from osgp.celery import app
from osgp.requests.models import MeterSession, Request
from tests import processes
from tests.chaos.oddities import ODD_PYTHON, Courier
from tests.chaos.promises import ENVIRONMENT, METERS, Work

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 3
"""Each takes a hint per meter at least: fifteen, and two of seven are lost."""
ONE_ATTEMPT = {(1, 0, "SUCCEEDED")}


def outcomes() -> set[tuple[int, int, str]]:
    return set(Request.objects.values_list("attempts", "crashes", "state"))


@pytest.mark.parametrize("what_happens", ["twice", "dropped"])
def test_hints_are_delivered_twice_or_not_at_all(
    work: Work, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what_happens: str
) -> None:
    """Every hint comes twice, or a fifth of them never."""
    journal = tmp_path / "journal"
    oddity = f"{what_happens}:{journal}"
    with ExitStack() as stack:
        if processes.are_shared():
            odd = ENVIRONMENT | ODD_PYTHON | {"ODD_HINTS": oddity}
            stack.enter_context(processes.dispatcher(**odd))
            for _ in range(2):
                stack.enter_context(processes.worker(**ENVIRONMENT))
        else:
            Courier.named(oddity).replace_the_reliable_one(monkeypatch.setattr)
            stack.enter_context(processes.running())
        for _ in range(ROUNDS):
            # What becomes due while a meter is being visited needs no hint; what is asked once all is settled
            # does, for each meter, however slow the processes are.
            work.ask_all()
            work.ask_all(delay=2)
            work.settle()
    assert len(journal.read_text().splitlines()) >= 2
    assert outcomes() == ONE_ATTEMPT


def test_the_queue_is_purged(work: Work) -> None:
    work.ask_all()

    def hints_waiting() -> int:
        with app.connection_for_write() as connection:
            queue: Any = app.amqp.queues["meter"](connection.default_channel)
            queue.declare()
            return int(queue.queue_declare(passive=True).message_count)

    def published() -> bool:
        return MeterSession.objects.exclude(published_at=None).count() == METERS

    if processes.are_shared():
        with processes.dispatcher(**ENVIRONMENT):
            processes.eventually(published, "hints")
            assert hints_waiting() >= METERS
    else:
        with processes.dispatcher_thread():
            processes.eventually(published, "hints")
    with app.connection_for_write() as connection:
        purged = app.amqp.queues["meter"](connection.default_channel).purge()
    assert purged >= METERS
    assert MeterSession.objects.filter(state="OPENED").count() == METERS
    with processes.running(**ENVIRONMENT):
        work.settle()
    assert outcomes() == ONE_ATTEMPT
