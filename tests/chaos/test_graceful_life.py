"""Workers and dispatchers come and go: asked to end, they finish or hand back what is in flight."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from osgp.celery import app
from osgp.embedded.worker import WorkerThread
from osgp.requests.models import MeterSession, Request, RequestState, SessionState
from osgp.visits.dispatcher import Dispatcher
from tests import processes
from tests.chaos.promises import ENVIRONMENT, METERS, MORTAL, Work

pytestmark = pytest.mark.django_db(transaction=True)

ONE_ATTEMPT = {(1, 0, "SUCCEEDED")}


def outcomes() -> set[tuple[int, int, str]]:
    return set(Request.objects.values_list("attempts", "crashes", "state"))


def test_a_worker_that_is_asked_to_end_hands_back_what_it_has_not_begun(work: Work) -> None:
    work.ask_all()
    if processes.are_shared():
        with processes.worker(**ENVIRONMENT) as worker:
            # One round only: nobody opens sessions for what is handed back before the test has looked.
            Dispatcher().tick()
            processes.eventually(work.in_mid_session, "visits to all meters")
            assert worker.stop() == 0
    else:
        with WorkerThread():
            Dispatcher().tick()
            processes.eventually(work.in_mid_session, "visits to all meters")
    assert set(MeterSession.objects.values_list("state", flat=True)) == {SessionState.CLOSED}
    handed_back = Request.objects.filter(state=RequestState.RETRYING, attempts=0, crashes=0)
    assert handed_back.exists()
    assert handed_back.count() + Request.objects.filter(state="SUCCEEDED").count() == 3 * METERS
    with processes.running(**ENVIRONMENT):
        work.settle()
    assert outcomes() == ONE_ATTEMPT
    assert not MeterSession.objects.filter(state=SessionState.LOST).exists()


def test_hints_that_a_worker_has_not_begun_stay_in_the_queue(work: Work) -> None:
    """They are for others at once, instead of being published again later."""
    work.ask_all()
    dispatcher = Dispatcher()
    if processes.are_shared():
        dispatcher.tick()
        with processes.Process("worker", "--concurrency", "2", **ENVIRONMENT) as worker:
            processes.eventually(_any_claimed, "a visit")
            assert worker.stop() == 0
    else:
        dispatcher.tick()
        with WorkerThread(concurrency=2):
            processes.eventually(_any_claimed, "a visit")
    assert not MeterSession.objects.filter(state__in=("CLAIMED", "LOST")).exists()
    unclaimed = MeterSession.objects.filter(state=SessionState.OPENED).count()
    assert 0 < unclaimed < METERS
    with app.connection_for_write() as connection:
        queue: Any = app.amqp.queues["meter"](connection.default_channel)
        assert queue.queue_declare(passive=True).message_count == unclaimed
    with processes.running(**ENVIRONMENT):
        work.settle()
    assert outcomes() == ONE_ATTEMPT


def _any_claimed() -> bool:
    return MeterSession.objects.filter(state=SessionState.CLAIMED).exists()


def test_workers_and_dispatchers_come_and_go(work: Work) -> None:
    for seconds in range(0, 12, 2):
        work.ask_all(delay=seconds or -5)
    if processes.are_shared():
        with ExitStack() as stack:

            def worker() -> processes.Process:
                return stack.enter_context(processes.worker(**ENVIRONMENT))

            def dispatcher() -> processes.Process:
                return stack.enter_context(processes.dispatcher(**ENVIRONMENT))

            ends = []
            present = [dispatcher(), worker()]
            for join in (worker, dispatcher, worker):
                processes.eventually(_any_claimed, "visits")
                present.append(join())
                ends.append(present.pop(0).stop())
            work.settle()
            assert ends == [0, 0, 0]
    else:
        with processes.dispatcher_thread():
            for _ in range(2):
                with processes.dispatcher_thread(), WorkerThread():
                    processes.eventually(_any_claimed, "visits")
        with processes.running():
            work.settle()
    assert outcomes() == ONE_ATTEMPT
    assert not MeterSession.objects.filter(state=SessionState.LOST).exists()


@pytest.mark.parametrize("impatience", ["deadline", "again"])
def test_a_worker_that_cannot_end_in_time_is_no_obstacle(work: Work, impatience: str) -> None:
    """The deadline or a second SIGTERM ends it as kill -9 would, and its lease runs out."""
    stuck = work.ask(work.devices[0], "LongStep", effective_priority=9)
    work.ask(work.devices[0], "ActualMeterReads")
    meter = work.simulator.meters[work.devices[0].identification]
    if processes.are_shared():
        environment = MORTAL | {"OSGP_STOP_DEADLINE_SECONDS": "1" if impatience == "deadline" else "60"}
        with processes.dispatcher(**MORTAL), processes.worker(**environment) as worker:
            # The first GET asked for the invocation counter, the next one is the step's.
            processes.eventually(lambda: meter.memory.statistics.gets >= 2, "the step to begin")
            if impatience == "deadline":
                assert worker.stop() == 1
            else:
                processes.eventually(lambda: worker.terminate() or not worker.is_alive(), "an end")
                assert worker.wait() == 1
            processes.eventually(lambda: not _any_claimed(), "the lease to run out")
    else:
        # A thread cannot be ended by force; its process can, and whoever looks after the leases sees no more.
        ended = processes.run_python(_END, impatience)
        assert (ended.returncode, "Timeout" in ended.stderr) == (1, impatience == "deadline")
        return
    stuck.refresh_from_db()
    assert (stuck.state, stuck.crashes) == (RequestState.RETRYING, 1)


_END = """
import os, signal, sys, threading, time
import django
django.setup()
from django.conf import settings
from datetime import timedelta
settings.OSGP["STOP_DEADLINE"] = timedelta(seconds=0.5 if sys.argv[1] == "deadline" else 60)
from osgp.visits import worker_process
signal.signal(signal.SIGTERM, lambda *_: worker_process.end())
os.kill(os.getpid(), signal.SIGTERM)
if sys.argv[1] == "again":
    os.kill(os.getpid(), signal.SIGTERM)
time.sleep(60)
"""


def test_a_worker_that_stopped_making_progress_ends_itself(work: Work, tmp_path: Path) -> None:
    """One greenlet blocks all others: no lease is extended, and a supervisor gets to start a new process."""
    if not processes.are_shared():
        ended = processes.run_python(_NO_PULSE, str(tmp_path / "alive"))
        assert (ended.returncode, "Timeout" in ended.stderr) == (1, True)
        assert (tmp_path / "alive").exists()
        return
    alive = tmp_path / "alive"
    environment = MORTAL | {"OSGP_WATCHDOG_LIMIT_SECONDS": "10", "OSGP_HEARTBEAT_FILE": str(alive)}
    with processes.dispatcher(**MORTAL), processes.worker(**environment) as worker:
        processes.eventually(alive.exists, "a sign of life")
        first = alive.stat().st_mtime_ns
        processes.eventually(lambda: alive.stat().st_mtime_ns > first, "another sign of life")
        work.ask(work.devices[0], "BlockingStep")
        assert worker.wait() == 1
        processes.eventually(lambda: not _any_claimed(), "the lease to run out")
    assert Request.objects.get().crashes == 1


_NO_PULSE = """
import pathlib, sys, time
import django
django.setup()
from osgp.visits.watchdog import Pulse
Pulse(0.5, pathlib.Path(sys.argv[1])).beat()
time.sleep(60)
"""
