"""Heartbeats of processes, and which work is missing when there are none."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from osgp.celery import app
from osgp.processes import health, heartbeats
from osgp.processes.beat import Scheduler
from osgp.processes.health import Liveliness, Work, find_missing, load_processes
from osgp.processes.heartbeats import Heartbeat, ProcessKind
from osgp.processes.models import ProcessHeartbeat
from osgp.visits.dispatcher import Dispatcher
from tests.processes import eventually

pytestmark = pytest.mark.django_db(transaction=True)

DISPATCHER, METER, SYSTEM = health.ALWAYS_NEEDED


def all_at_work() -> None:
    heartbeats.beat(ProcessKind.DISPATCHER, "a:1")
    heartbeats.beat(ProcessKind.WORKER, "worker-1@a", queues=["system", "meter"])


def fall_silent(**which: Any) -> None:
    """The last heartbeat of these processes was a minute ago."""
    ProcessHeartbeat.objects.filter(**which).update(beat_at=timezone.now() - timedelta(minutes=1))


def missing() -> list[Work]:
    return [each.work for each in find_missing()]


def enable_task(name: str = "readings", task: str = "osgp.batches.attend") -> None:
    every, _ = IntervalSchedule.objects.get_or_create(every=1, period="hours")
    PeriodicTask.objects.create(name=name, task=task, interval=every)


def test_everything_is_missing_where_nothing_was_started() -> None:
    assert [(each.work, each.since) for each in find_missing()] == [
        (DISPATCHER, None),
        (METER, None),
        (SYSTEM, None),
    ]


def test_nothing_is_missing_while_all_are_at_work(django_assert_num_queries: Any) -> None:
    all_at_work()
    with django_assert_num_queries(1):
        assert missing() == []


def test_what_falls_silent_is_missing_since_its_last_heartbeat() -> None:
    all_at_work()
    fall_silent(kind="dispatcher")
    [dispatcher] = find_missing()
    assert dispatcher.work == DISPATCHER
    assert dispatcher.since == ProcessHeartbeat.objects.get(kind="dispatcher").beat_at
    heartbeats.beat(ProcessKind.DISPATCHER, "b:7")
    assert missing() == []


def test_each_queue_needs_a_worker() -> None:
    all_at_work()
    heartbeats.beat(ProcessKind.WORKER, "worker-2@a", queues=["system"])
    fall_silent(name="worker-1@a")
    assert missing() == [METER]


def test_a_process_that_ended_in_good_order_is_missing_only_if_it_was_the_last() -> None:
    all_at_work()
    heartbeats.beat(ProcessKind.DISPATCHER, "b:2")
    heartbeats.end(ProcessKind.DISPATCHER, "a:1")
    assert missing() == []
    heartbeats.end(ProcessKind.DISPATCHER, "b:2")
    [last] = find_missing()
    assert last.since == ProcessHeartbeat.objects.get(name="b:2").ended_at
    assert {each.liveliness for each in load_processes() if each.kind == "dispatcher"} == {Liveliness.ENDED}
    heartbeats.beat(ProcessKind.DISPATCHER, "b:2")  # a container that is started again keeps its name
    assert missing() == []


@pytest.mark.parametrize("kind", [ProcessKind.LISTEN, ProcessKind.STREAM])
def test_other_kinds_are_missed_where_they_were_seen(kind: ProcessKind) -> None:
    all_at_work()
    heartbeats.beat(kind, details={"port": 4059})
    assert missing() == []
    fall_silent(kind=kind)
    assert missing() == [Work(kind)]
    heartbeats.beat(kind)
    heartbeats.end(kind)
    assert missing() == [Work(kind)]


def test_a_queue_of_its_own_is_missed_where_it_was_consumed() -> None:
    all_at_work()
    heartbeats.beat(ProcessKind.WORKER, "notifier@a", queues=["notify"])
    fall_silent(name="notifier@a")
    assert missing() == [Work("worker", "notify")]


def test_beat_is_missed_only_while_there_are_tasks_for_it() -> None:
    all_at_work()
    enable_task()
    assert missing() == []  # schedules work without
    heartbeats.beat(ProcessKind.BEAT)
    fall_silent(kind="beat")
    assert missing() == [Work("beat")]
    PeriodicTask.objects.update(enabled=False)
    enable_task("celery.backend_cleanup", health.CLEANUP)
    assert missing() == []


def test_the_last_of_a_kind_is_remembered_and_replaced_ones_are_not() -> None:
    all_at_work()
    heartbeats.beat(ProcessKind.WORKER, "notifier@a", queues=["notify"])
    ProcessHeartbeat.objects.update(beat_at=timezone.now() - timedelta(days=2))
    heartbeats.beat(ProcessKind.WORKER, "worker-2@a", queues=["meter", "system"])
    names = set(ProcessHeartbeat.objects.values_list("name", flat=True))
    assert names == {"a:1", "notifier@a", "worker-2@a"}


def test_names_and_details() -> None:
    heartbeats.beat(ProcessKind.LISTEN, "x" * 150 + ":1", {"port": 1}, ["push"])
    heartbeats.beat(ProcessKind.LISTEN, "x" * 150 + ":1", {"port": 2}, ["push", "notify"])
    row = ProcessHeartbeat.objects.get()
    assert row.name.endswith("x:1")
    assert len(row.name) == heartbeats.LONGEST_NAME
    assert (row.details["port"], row.queues) == (2, "notify,push")


def test_a_thread_gives_heartbeats_until_it_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeats, "EVERY", 0.01)
    with Heartbeat(ProcessKind.STREAM, "stream-1"):
        first = ProcessHeartbeat.objects.get(name="stream-1").beat_at
        eventually(lambda: ProcessHeartbeat.objects.get(name="stream-1").beat_at > first, "another heartbeat")
        assert ProcessHeartbeat.objects.get(name="stream-1").ended_at is None
    assert ProcessHeartbeat.objects.get(name="stream-1").ended_at is not None


def test_a_thread_outlives_an_outage_of_the_database(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(heartbeats, "EVERY", 0.01)
    original, tries = heartbeats.beat, []

    def beat(*arguments: Any) -> None:
        tries.append(arguments)
        if len(tries) < 4:
            raise DatabaseError("away")
        original(*arguments)

    monkeypatch.setattr(heartbeats, "beat", beat)
    with Heartbeat(ProcessKind.STREAM, "stream-1"):
        eventually(ProcessHeartbeat.objects.filter(name="stream-1").exists, "a heartbeat after the outage")
    assert [record.getMessage() for record in caplog.records].count("no heartbeat: away") == 1


def test_a_dispatcher_gives_heartbeats_and_ends_in_good_order() -> None:
    dispatcher = Dispatcher()
    dispatcher.tick()
    [process] = load_processes()
    assert (process.kind, process.liveliness) == ("dispatcher", Liveliness.ALIVE)

    class Stopped:
        def is_set(self) -> bool:
            return True

    dispatcher.run(Stopped())  # type: ignore[arg-type]
    [process] = load_processes()
    assert process.liveliness is Liveliness.ENDED


@pytest.fixture
def scheduler() -> Iterator[Scheduler]:
    """Beat's scheduler as its process makes it, without what it would do at the end of this one."""
    made = Scheduler(app=app)
    yield made
    made._finalize.cancel()


def test_beat_gives_heartbeats_with_its_ticks(scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch) -> None:
    assert app.conf.beat_scheduler == "osgp.processes.beat:Scheduler"
    scheduler.tick()
    [process] = load_processes()
    assert (process.kind, process.liveliness) == ("beat", Liveliness.ALIVE)
    fall_silent(kind="beat")
    scheduler.tick()  # too early for another one
    assert load_processes()[0].liveliness is Liveliness.SILENT
    monkeypatch.setattr(heartbeats, "EVERY", 0.0)
    scheduler.tick()
    assert load_processes()[0].liveliness is Liveliness.ALIVE
    scheduler.close()
    assert load_processes()[0].liveliness is Liveliness.ENDED


def test_beat_goes_on_while_heartbeats_fail(
    scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any) -> None:
        raise DatabaseError("away")

    monkeypatch.setattr(heartbeats, "beat", fail)
    monkeypatch.setattr(heartbeats, "end", fail)
    assert scheduler.tick() >= 0
    scheduler.close()
    assert "no heartbeat: away" in caplog.text


def test_pages_share_what_one_of_them_found(
    monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Callable[..., Any]
) -> None:
    lookout = health.Lookout()
    with django_assert_num_queries(1):
        assert len(lookout.find_missing()) == len(lookout.find_missing()) == 3
    all_at_work()
    assert len(lookout.find_missing()) == 3
    monkeypatch.setattr(health, "LOOK_EVERY", 0.0)
    assert lookout.find_missing() == []
