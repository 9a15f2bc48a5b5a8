"""Each completed request and session is counted once, whoever counts and whenever it is committed."""

import random
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, transaction
from django.db.models.functions import Now
from django.utils import timezone
from rest_framework.test import APIClient

from osgp.accounts.models import Organisation
from osgp.devices.models import Device
from osgp.metrics import families, horizon, rollup
from osgp.metrics.models import Counter, Cursor
from osgp.metrics.rollup import advance
from osgp.metrics.tallies import SUM
from osgp.requests import states
from osgp.requests.models import MeterSession, Request, RequestState, SessionState
from osgp.visits import housekeeping
from osgp.visits.dispatcher import Dispatcher
from tests import factories
from tests.metrics import rows
from tests.metrics.rows import counted
from tests.processes import eventually
from tests.state_check import states_by_hand

pytestmark = pytest.mark.django_db(transaction=True)

REFUSED = {"code": 225, "name": "CONNECTION_REFUSED"}


def in_threads(*functions: Callable[[], None]) -> None:
    """Run functions side by side, each with a connection of its own; raises what the first of them did."""
    errors: list[BaseException] = []

    def run(function: Callable[[], None]) -> None:
        try:
            function()
        except BaseException as error:  # noqa: BLE001 (raised again below)
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(function,)) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def test_requests_by_message_outcome_and_fault(organisation: Organisation, device: Device) -> None:
    for _ in range(3):
        rows.request(organisation, device)
    rows.request(organisation, device, state=RequestState.FAILED, fault=REFUSED, attempts=3, crashes=1)
    rows.request(organisation, device, state=RequestState.CANCELLED, fault=REFUSED, attempts=2)
    rows.request(organisation, device, "SynchronizeTime", state=RequestState.CANCELLED, attempts=0)
    factories.make_request(organisation, device)
    assert advance() == 6
    assert advance() == 0
    name = families.REQUESTS_COMPLETED.name
    reads = {"message": "ActualMeterReads"}
    assert counted(name, **reads, state="SUCCEEDED", fault_code="") == 3
    assert counted(name, **reads, state="FAILED", fault_code="225") == 1
    assert counted(name, **reads, state="CANCELLED", fault_code="") == 1
    assert counted(name, message="SynchronizeTime", state="CANCELLED", fault_code="") == 1
    assert counted(name) == 6
    assert counted(families.REQUEST_ATTEMPTS.name, **reads) == 8
    assert counted(families.REQUEST_RETRIES.name, **reads) == 3
    assert counted(families.REQUEST_CRASHES.name, **reads) == 1
    assert counted(families.REQUEST_ATTEMPTS.name, message="SynchronizeTime") == 0


def test_how_long_requests_waited(organisation: Organisation, device: Device) -> None:
    done = timezone.now() - rows.LONG_AGO
    hours = {"created_at": done - timedelta(hours=8), "started_at": done}
    rows.request(organisation, device, completed_at=done, priority=9, **hours)
    rows.request(
        organisation,
        device,
        completed_at=done,
        schedule_time=done - timedelta(seconds=3),
        priority=9,
        **hours,
    )
    ahead = done + timedelta(seconds=1)
    rows.request(organisation, device, completed_at=done, created_at=ahead, started_at=done, priority=2)
    rows.request(organisation, device, completed_at=done, started_at=None, state=RequestState.CANCELLED)
    advance()
    name = families.REQUEST_WAIT.name
    assert counted(name) == 3
    assert counted(name, priority="9", le="86400.0") == 1
    assert counted(name, priority="9", le="5.0") == 1
    assert counted(name, priority="2", le="0.5") == 1
    assert counted(name + SUM, priority="9") == (8 * 3600 + 3) * 1_000_000
    # The clock of the process that accepted it was ahead: it did not wait, and the sum does not fall.
    assert counted(name + SUM, priority="2") == 0


def test_sessions_by_end_and_duration(device: Device) -> None:
    rows.session(device)
    rows.session(device, round_trips=0, bytes_sent=0, bytes_received=0, fault=REFUSED)
    lost = timezone.now() - rows.LONG_AGO
    rows.session(device, state=SessionState.LOST, closed_at=lost, claimed_at=lost - timedelta(hours=1))
    rows.session(device, state=SessionState.LOST, claimed_at=None, round_trips=0)
    rows.session(device, state=SessionState.OPENED, is_over=False)
    assert advance() == 4
    ended = families.SESSIONS_ENDED.name
    assert counted(ended, state="CLOSED", fault_code="") == 1
    assert counted(ended, state="CLOSED", fault_code="225") == 1
    assert counted(ended, state="LOST") == 2
    assert counted(families.ASSOCIATIONS.name) == 2
    assert counted(families.ROUND_TRIPS.name) == 20
    assert counted(families.BYTES_SENT.name) == 300
    assert counted(families.BYTES_RECEIVED.name) == 3000
    duration = families.SESSION_DURATION.name
    assert counted(duration) == counted(duration, le="2.5") == 2
    assert counted(duration + SUM) == 4_000_000


def test_slices_end_between_moments(
    organisation: Organisation, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows of one moment, which one statement may have completed, belong to one slice."""
    monkeypatch.setattr(rollup, "SLICE", 2)
    moments = [datetime(2026, 1, 1, 12, 0, second, tzinfo=UTC) for second in (0, 0, 0, 1, 2, 2, 3)]
    for moment in moments:
        rows.request(organisation, device, completed_at=moment)
    assert [rollup.REQUESTS.advance(2) for _ in range(4)] == [3, 3, 1, 0]
    for moment in moments:
        rows.request(organisation, device, completed_at=moment.replace(year=2027))
    Cursor.objects.filter(name="requests").update(counted_until=moments[-1])
    Request.objects.filter(completed_at__year=2027).update(completed_at=Now() - rows.LONG_AGO)
    assert advance(limit=1) == 7
    assert rows.completed() == 14


def test_whole_seconds_are_counted_once(organisation: Organisation, device: Device) -> None:
    """Written by the database's clock and by Python's, they look different in SQLite."""
    rows.request(organisation, device, completed_at=datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC))
    request = rows.request(organisation, device)
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE requests_request SET completed_at = '2026-01-01 12:00:00.000' WHERE id = %s",
                [request.pk],
            )
    else:
        Request.objects.filter(pk=request.pk).update(completed_at=datetime(2026, 1, 1, 12, 0, tzinfo=UTC))
    assert rollup.REQUESTS.advance(1) == 2
    assert rollup.REQUESTS.advance(1) == 0


def test_a_limit_bounds_a_call(
    organisation: Organisation, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollup, "SLICE", 2)
    for minute in range(9):
        rows.request(organisation, device, completed_at=datetime(2026, 1, 1, 12, minute, tzinfo=UTC))
    assert [advance(4), advance(4), advance(4), advance(4)] == [4, 4, 1, 0]


def test_what_was_completed_just_now_is_left_for_later(organisation: Organisation, device: Device) -> None:
    request = rows.request(organisation, device)
    Request.objects.filter(pk=request.pk).update(completed_at=Now())
    assert advance() == 0
    eventually(advance, "the margin passes")
    assert rows.completed() == 1


def test_a_row_that_is_committed_late_is_not_passed_over(
    organisation: Organisation, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A transaction that completed a request goes on while younger ones are committed and counted."""
    monkeypatch.setattr(horizon, "MARGIN", timedelta())
    late, early, younger = (rows.request(organisation, device, completed_at=timezone.now()) for _ in range(3))
    with states_by_hand():
        Request.objects.update(state=RequestState.RUNNING, completed_at=None)
    finish = {"state": RequestState.SUCCEEDED, "completed_at": Now()}
    Request.objects.filter(pk=early.pk).update(**finish)
    written, tried, committed = threading.Event(), threading.Event(), threading.Event()

    def finish_slowly() -> None:
        with transaction.atomic():
            Request.objects.filter(pk=late.pk).update(**finish)
            written.set()
            tried.wait(1.0 if connection.vendor == "sqlite" else 60.0)
        committed.set()

    def count() -> None:
        written.wait()
        Request.objects.filter(pk=younger.pk).update(**finish)
        for _ in range(3):
            advance()
        # SQLite lets nobody write, and so nobody count, before the slow one is through.
        assert committed.is_set() or rows.completed() == 1
        tried.set()

    in_threads(finish_slowly, count)
    eventually(lambda: (advance(), rows.completed() == 3)[1], "all three are counted")
    assert advance() == 0


def test_a_transaction_that_only_reads_holds_nothing_up(
    organisation: Organisation, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backup takes hours."""
    monkeypatch.setattr(horizon, "MARGIN", timedelta())
    reading, counting_done = threading.Event(), threading.Event()

    def read() -> None:
        if connection.vendor == "sqlite":
            connection.ensure_connection()
            connection.connection.execute("BEGIN DEFERRED")
        else:
            connection.set_autocommit(False)
        try:
            assert not Request.objects.exists()
            reading.set()
            counting_done.wait(60)
        finally:
            connection.connection.rollback()

    def count() -> None:
        reading.wait(60)
        request = rows.request(organisation, device)
        Request.objects.filter(pk=request.pk).update(completed_at=Now())
        eventually(advance, "counted while somebody reads")
        counting_done.set()

    in_threads(read, count)
    assert rows.completed() == 1


def test_nothing_is_counted_twice_or_missed_with_two_at_once_and_late_commits(
    organisation: Organisation, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(horizon, "MARGIN", timedelta(milliseconds=50))
    monkeypatch.setattr(rollup, "SLICE", 7)
    requests = [factories.make_request(organisation, device, state=RequestState.RUNNING) for _ in range(120)]
    sessions = [rows.session(device, state=SessionState.LOST, is_over=False) for _ in range(len(requests))]
    finishers = 4
    finished = threading.Semaphore(0)
    stop = threading.Event()

    def finisher(number: int) -> Callable[[], None]:
        chance = random.Random(number)

        def finish() -> None:
            try:
                for request, session in list(zip(requests, sessions, strict=True))[number::finishers]:
                    with transaction.atomic():
                        Request.objects.filter(pk=request.pk).update(
                            state=RequestState.SUCCEEDED, completed_at=Now()
                        )
                        stop.wait(chance.choice((0, 0, 0.01, 0.2)))
                        MeterSession.objects.filter(pk=session.pk).update(closed_at=Now())
            finally:
                finished.release()

        return finish

    def roll() -> None:
        while not stop.is_set():
            advance()
            # SQLite lets those who wait for its write lock in by chance: without a pause nobody else gets it.
            stop.wait(0.02)

    def end() -> None:
        try:
            for _ in range(finishers):
                finished.acquire()
            expected = len(requests), len(sessions)
            eventually(
                lambda: (rows.completed(), counted(families.SESSIONS_ENDED.name)) >= expected, "all counted"
            )
        finally:
            stop.set()

    in_threads(*(finisher(number) for number in range(finishers)), roll, roll, end)
    advance()
    assert rows.completed() == len(requests)
    assert counted(families.SESSIONS_ENDED.name) == len(sessions)


def test_dying_in_the_middle_counts_nothing_and_loses_nothing(
    organisation: Organisation, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows.request(organisation, device)
    with monkeypatch.context() as patch:
        patch.setattr(rollup, "make_comparable", lambda moment: moment)
        original = Cursor.objects.filter

        def die(**conditions: object) -> object:
            if "pk" in conditions:
                raise SystemExit
            return original(**conditions)

        patch.setattr(Cursor.objects, "filter", die)
        with pytest.raises(SystemExit):
            advance()
    assert not Counter.objects.exists()
    assert advance() == 1


def test_counters_outlive_their_rows_and_rows_wait_to_be_counted(
    organisation: Organisation, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = timezone.now() - timedelta(days=8)
    rows.request(organisation, device, completed_at=old)
    rows.session(device, closed_at=old)
    with monkeypatch.context() as patch:
        patch.setattr(rollup, "advance", lambda: 0)
        assert housekeeping.delete_requests() == 0
    assert housekeeping.delete_requests() == 2
    assert not Request.objects.exists()
    assert not MeterSession.objects.exists()
    assert (rows.completed(), counted(families.SESSIONS_ENDED.name)) == (1, 1)


def test_a_request_that_its_caller_deletes_at_once_is_counted(
    api: APIClient, organisation: Organisation, device: Device
) -> None:
    fresh = factories.make_request(organisation, device, "ActualMeterReads")
    assert states.cancel(fresh.pk)
    counted_before = rows.request(organisation, device)
    assert advance() == 1
    for request in (fresh, counted_before):
        url = f"/api/v1/monitoring/actual-meter-reads/{request.correlation_uid}/"
        assert api.delete(url).status_code == 204
        assert api.delete(url).status_code == 404
    assert not Request.objects.exists()
    advance()
    assert rows.completed() == 2
    assert counted(families.REQUESTS_COMPLETED.name, state="CANCELLED") == 1


def test_the_dispatcher_counts(organisation: Organisation, device: Device) -> None:
    rows.request(organisation, device)
    Dispatcher().tick()
    assert rows.completed() == 1
