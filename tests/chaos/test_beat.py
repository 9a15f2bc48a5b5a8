"""Recurring requests when beats are two, are killed, and workers die while they make an occurrence.

The embedded default has no beat: there dispatchers give the hints, and two of them do.
"""

from collections import Counter
from contextlib import ExitStack
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule

from osgp.batches.models import Batch, RecurringRequest
from osgp.embedded.worker import WorkerThread
from osgp.fleet import occurrences, schedules, tasks
from osgp.sql import Statement
from tests import processes
from tests.batches.conftest import make_group
from tests.chaos.promises import ENVIRONMENT, Work

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(400)]

EVERY = 10
"""Seconds, the shortest interval there is."""
LATE = {"OSGP_MISSED_OCCURRENCES": "all"}
"""On a busy machine an occurrence may be made so late that it counts as missed."""


@pytest.fixture
def row(work: Work) -> RecurringRequest:
    """A read of all meters every 10 seconds."""
    interval, _ = IntervalSchedule.objects.get_or_create(every=EVERY, period="seconds")
    row = RecurringRequest.objects.create(
        organisation=work.organisation,
        name="often",
        message="ActualMeterReads",
        group=make_group(work.organisation, work.devices),
        interval=interval,
        starts_at=timezone.now(),
        spread=timedelta(seconds=2),
    )
    schedules.plan(row)
    return row


def made() -> int:
    return Batch.objects.count()


def test_each_occurrence_is_made_once_whoever_is_killed(work: Work, row: RecurringRequest) -> None:
    if processes.are_shared():
        environment = ENVIRONMENT | LATE
        _slow_down()
        with processes.beat(**environment) as first, processes.beat(**environment):
            with processes.worker(**environment) as worker:
                processes.eventually(_in_mid_occurrence, "a worker in the middle of an occurrence")
                first.kill()
                worker.kill()
            with processes.worker(**environment), processes.beat(**environment) as third:
                before = made()
                # Without a dispatcher: nothing but beats gives hints.
                processes.eventually(lambda: made() > before + 1, "two more occurrences")
                third.kill()
                before = made()
                processes.eventually(lambda: made() > before, "one more by the beat that is left")
                with processes.dispatcher(**environment):
                    _finish(work, row)
    else:
        with ExitStack() as stack:
            for _ in range(2):
                stack.enter_context(processes.dispatcher_thread())
            stack.enter_context(WorkerThread())
            processes.eventually(lambda: made() and _hint_again(), "an occurrence")
            processes.eventually(lambda: made() > 1, "another one")
            _finish(work, row)
    row.refresh_from_db()
    assert row.last_at is not None
    _check(work, row, row.last_at)


def _finish(work: Work, row: RecurringRequest) -> None:
    """No more occurrences; those that were made are carried out."""
    RecurringRequest.objects.filter(pk=row.pk).update(enabled=False)
    processes.eventually(
        lambda: not Batch.objects.exclude(state="COMPLETED").exists(), "the end of all batches", 120
    )
    work.settle()


def _check(work: Work, row: RecurringRequest, last: datetime) -> None:
    """No occurrence left out, none doubled, and each meter read once in each."""
    found = sorted(Batch.objects.values_list("occurrence", flat=True))  # type: ignore[type-var]
    assert row.interval is not None
    grid = occurrences.list_between(row.interval, found[0], last, anchor=row.starts_at, limit=1000)
    assert found == grid
    for batch in Batch.objects.all():
        reads = Counter(batch.requests.values_list("device", flat=True))
        assert reads == Counter(device.pk for device in work.devices)


def _hint_again() -> bool:
    for _ in range(5):
        tasks.create_occurrences.delay(recurring_id=1)
    return True


def _slow_down() -> None:
    """Making an occurrence takes a second, so that there is a middle of it."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            CREATE FUNCTION sleep_a_second() RETURNS trigger LANGUAGE plpgsql
                AS 'BEGIN PERFORM pg_sleep(1); RETURN NEW; END';
            CREATE TRIGGER slow BEFORE INSERT ON batches_batch
                FOR EACH ROW EXECUTE FUNCTION sleep_a_second();
            """
        )


@pytest.fixture(autouse=True)
def as_fast_as_before(work: Work) -> object:
    """Whatever came of the test, other tests find the table as it was."""
    yield
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("DROP FUNCTION IF EXISTS sleep_a_second() CASCADE")


def _in_mid_occurrence() -> bool:
    sleeping = Statement(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
    )
    return bool(sleeping.fetch_rows()[0][0])
