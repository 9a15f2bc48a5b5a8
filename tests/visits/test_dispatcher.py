"""From due rows to leased meters and hints."""

import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import IntegrityError, OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from kombu.exceptions import OperationalError as BrokerError
from pytest_django import Settings

from osgp.accounts.models import Organisation
from osgp.commands.management.commands import dispatch
from osgp.devices import keystore
from osgp.devices.models import Device, KeyType
from osgp.processes import heartbeats, retention
from osgp.processes.heartbeats import ProcessKind
from osgp.requests import states
from osgp.requests.models import (
    Action,
    ActionState,
    MeterSession,
    Request,
    RequestState,
    SessionState,
)
from osgp.requests.slots import find_reasons, make_details
from osgp.visits import dispatcher as dispatcher_module
from osgp.visits import tasks
from osgp.visits.dispatcher import Dispatcher
from osgp.visits.publishing import Publisher
from tests import factories

pytestmark = pytest.mark.django_db(transaction=True)

AGO = timedelta(minutes=5)


class Hints(list[tuple[str, int]]):
    """The meters for which hints were published, with their priorities."""

    def publish(
        self, *, args: tuple[str, str], priority: int, producer: object, retry: bool, **display: str
    ) -> None:
        assert args[1] not in "".join(display.values())
        session = MeterSession.objects.select_related("meter").get(pk=args[0], token=args[1])
        self.append((session.meter.identification, priority))


@pytest.fixture
def hints(monkeypatch: pytest.MonkeyPatch) -> Hints:
    hints = Hints()
    monkeypatch.setattr(tasks.visit_meter, "apply_async", hints.publish)
    # Nothing reaches the broker, so there is nothing for it to confirm.
    monkeypatch.setattr(Publisher, "_count_sent", lambda _: None)
    return hints


@pytest.fixture
def meters(organisation: Organisation) -> list[Device]:
    return [factories.make_device(f"E{number}", owner=organisation) for number in range(6)]


def waiting(
    organisation: Organisation, device: Device, priority: int = 4, age: timedelta = AGO, **more: Any
) -> Request:
    return factories.make_request(
        organisation,
        device,
        priority=priority,
        effective_priority=priority,
        **{"due_at": timezone.now() - age} | more,
    )


def test_most_urgent_first_then_oldest(
    organisation: Organisation, meters: list[Device], hints: Hints
) -> None:
    waiting(organisation, meters[0], 4, AGO)
    waiting(organisation, meters[1], 9, AGO)
    waiting(organisation, meters[2], 4, 2 * AGO)
    waiting(organisation, meters[3], 0, 9 * AGO)
    Dispatcher().tick()
    assert hints == [("E1", 9), ("E2", 4), ("E0", 4), ("E3", 0)]


def test_one_session_for_all_work_of_a_meter(
    organisation: Organisation, meters: list[Device], hints: Hints
) -> None:
    for priority in (3, 7, 5):
        waiting(organisation, meters[0], priority)
    Dispatcher().tick()
    Dispatcher().tick()
    assert hints == [("E0", 7)]


def test_a_gas_meter_is_reached_through_its_gateway(
    organisation: Organisation, meters: list[Device], hints: Hints
) -> None:
    gas_meter = factories.make_gas_meter(gateway=meters[0], owner=organisation)
    waiting(organisation, meters[0])
    waiting(organisation, gas_meter)
    Dispatcher().tick()
    assert hints == [("E0", 4)]


def test_nothing_before_its_time(organisation: Organisation, meters: list[Device], hints: Hints) -> None:
    later = waiting(organisation, meters[0], age=-AGO, state=RequestState.SCHEDULED)
    waiting(organisation, meters[1], age=-AGO, state=RequestState.RETRYING)
    Dispatcher().tick()
    assert hints == []
    Request.objects.filter(pk=later.pk).update(due_at=timezone.now() - AGO)
    Dispatcher().tick()
    assert hints == [("E0", 4)]
    later.refresh_from_db()
    assert later.state == RequestState.QUEUED


def test_the_broker_queue_is_kept_short(
    organisation: Organisation, meters: list[Device], hints: Hints, settings: Settings
) -> None:
    settings.OSGP = settings.OSGP | {"DISPATCH_AHEAD": 2}
    for meter in meters:
        waiting(organisation, meter)
    dispatcher = Dispatcher()
    dispatcher.tick()
    dispatcher.tick()
    assert len(hints) == 2
    session = MeterSession.objects.first()
    assert session is not None
    assert states.claim(session.pk, session.token, "worker")
    dispatcher.tick()
    assert len(hints) == 3


def test_urgent_work_hurries_the_hint_of_its_meter(
    organisation: Organisation, meters: list[Device], hints: Hints
) -> None:
    waiting(organisation, meters[0], 1)
    waiting(organisation, meters[1], 1)
    Dispatcher().tick()
    waiting(organisation, meters[0], 8)
    Dispatcher().tick()
    Dispatcher().tick()
    assert hints == [("E0", 1), ("E1", 1), ("E0", 8)]
    assert dict(MeterSession.objects.values_list("meter__identification", "priority")) == {"E0": 8, "E1": 1}


def test_a_hint_that_nobody_takes_up_is_published_again(
    organisation: Organisation, meters: list[Device], hints: Hints
) -> None:
    waiting(organisation, meters[0])
    Dispatcher().tick()
    MeterSession.objects.update(published_at=timezone.now() - AGO)
    Dispatcher().tick()
    assert hints == [("E0", 4), ("E0", 4)]
    assert MeterSession.objects.count() == 1


def test_dying_before_the_hint_goes_out_loses_nothing(
    organisation: Organisation, meters: list[Device], hints: Hints, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting(organisation, meters[0])
    with monkeypatch.context() as patch:
        patch.setattr(Dispatcher, "_publish", lambda *_: (_ for _ in ()).throw(SystemExit))
        with pytest.raises(SystemExit):
            Dispatcher().tick()
    assert hints == []
    MeterSession.objects.update(opened_at=timezone.now() - AGO)
    Dispatcher().tick()
    assert hints == [("E0", 4)]


def test_however_many_sessions_a_host_takes_with_it_all_are_taken_back_at_once(
    organisation: Organisation, meters: list[Device], hints: Hints, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatcher_module, "SLICE", 2)
    for meter in meters:
        waiting(organisation, meter)
    Dispatcher().tick()
    for session in MeterSession.objects.all():
        assert states.claim_and_take(session.pk, session.token, "worker", 10)
    MeterSession.objects.update(expires_at=timezone.now() - AGO)
    Dispatcher().tick()
    assert MeterSession.objects.filter(state=SessionState.LOST).count() == len(meters)
    assert set(Request.objects.values_list("state", "crashes")) == {(RequestState.RETRYING, 1)}


def test_taking_back_comes_to_an_end_before_others_have_waited_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slices: list[int] = []
    monkeypatch.setattr(states, "reap", lambda limit: slices.append(limit) or limit)
    Dispatcher().tick()
    assert len(slices) == dispatcher_module.MOST_SLICES


def test_housekeeping_is_left_to_workers(
    organisation: Organisation, meters: list[Device], hints: Hints, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> int:
        raise IntegrityError("something refers to what is to be deleted")

    asked: list[int] = []
    monkeypatch.setattr(retention, "keep_house", fail)
    monkeypatch.setattr(tasks.keep_house, "apply_async", lambda expires: asked.append(expires))
    old = timezone.now() - timedelta(days=8)
    factories.make_request(organisation, meters[1], state=RequestState.SUCCEEDED, completed_at=old)
    waiting(organisation, meters[0])
    dispatcher = Dispatcher()
    dispatcher.tick()
    dispatcher.tick()
    assert hints == [("E0", 4)]
    assert len(asked) == 1


def test_work_of_a_dead_worker_is_due_again(
    organisation: Organisation, meters: list[Device], hints: Hints
) -> None:
    request = waiting(organisation, meters[0])
    Dispatcher().tick()
    session = MeterSession.objects.get()
    assert states.claim(session.pk, session.token, "worker")
    assert states.take_requests(session.pk, session.meter_id, 10)
    MeterSession.objects.update(expires_at=timezone.now() - AGO)
    Dispatcher().tick()
    request.refresh_from_db()
    session.refresh_from_db()
    assert (session.state, request.state, request.crashes) == (SessionState.LOST, RequestState.RETRYING, 1)
    assert len(hints) == 2


def test_what_a_visit_took_when_it_was_over_already_is_due_again(
    organisation: Organisation, meters: list[Device], hints: Hints, settings: Settings
) -> None:
    """As when the network let go of what a worker had asked for before its lease ran out."""
    request = waiting(organisation, meters[0])
    later = waiting(organisation, meters[1])
    Dispatcher().tick()
    for session in MeterSession.objects.order_by("meter"):
        assert states.claim(session.pk, session.token, "worker")
        assert states.take_requests(session.pk, session.meter_id, 10)
    over = MeterSession.objects.filter(meter=meters[0])
    lease = settings.OSGP["SESSION_LEASE"]
    over.update(state=SessionState.LOST, closed_at=timezone.now() - lease / 2)
    Dispatcher().tick()
    request.refresh_from_db()
    assert request.state == RequestState.RUNNING
    over.update(closed_at=timezone.now() - lease * 2)
    Dispatcher().tick()
    request.refresh_from_db()
    later.refresh_from_db()
    assert (request.state, request.crashes) == (RequestState.RETRYING, 0)
    assert (later.state, later.session_id) == (RequestState.RUNNING, session.pk)
    assert [meter for meter, _ in hints] == ["E0", "E1", "E0"]


def test_what_kills_its_worker_each_time_is_given_up(
    organisation: Organisation, meters: list[Device], hints: Hints
) -> None:
    poison = waiting(organisation, meters[0], 9)
    innocent = waiting(organisation, meters[0], 1)
    for _ in range(3):
        Dispatcher().tick()
        session = MeterSession.objects.get(state=SessionState.OPENED)
        assert states.claim(session.pk, session.token, "worker")
        assert states.take_requests(session.pk, session.meter_id, 10, suspects=True)
        poison.refresh_from_db()
        assert poison.state == RequestState.RUNNING
        MeterSession.objects.update(expires_at=timezone.now() - AGO)
    Dispatcher().tick()
    poison.refresh_from_db()
    innocent.refresh_from_db()
    assert (poison.state, poison.crashes) == (RequestState.FAILED, 3)
    assert poison.fault is not None
    assert poison.fault["code"] == 414
    assert (innocent.state, innocent.crashes) == (RequestState.RETRYING, 1)
    assert Action.objects.get(request=poison).fault == poison.fault


def test_overdue_requests_fail_with_417_or_their_original_fault(
    organisation: Organisation, meters: list[Device], hints: Hints
) -> None:
    original = {"code": 225, "name": "CONNECTION_REFUSED"}
    late = timezone.now() - AGO
    Device.objects.update(security="NONE")
    waiting(organisation, meters[0], max_schedule_time=late)
    waiting(organisation, meters[1], max_schedule_time=late, state=RequestState.RETRYING, fault=original)
    waiting(organisation, meters[2], max_schedule_time=timezone.now() + AGO)
    Dispatcher().tick()
    assert hints == [("E2", 4)]
    first, second, third = Request.objects.order_by("pk")
    assert [first.state, second.state, third.state] == ["FAILED", "FAILED", "QUEUED"]
    assert first.fault is not None
    assert first.fault["code"] == 417
    assert second.fault == original
    assert Action.objects.get(request=first).fault == first.fault


def test_a_missing_key_goes_before_the_time(organisation: Organisation, meters: list[Device]) -> None:
    """Of what was never tried; what was keeps its fault."""
    lls, hls, tried = meters[:3]
    Device.objects.filter(pk=lls.pk).update(security="LLS")
    keys = (KeyType.E_METER_AUTHENTICATION_KEY, KeyType.E_METER_ENCRYPTION_KEY_UNICAST)
    fields = {"max_schedule_time": timezone.now() - AGO}

    def expire() -> list[tuple[int, str]]:
        requests = [waiting(organisation, device, **fields) for device in (lls, hls)]
        assert states.fail_overdue() == 2
        found = Request.objects.filter(pk__in=[request.pk for request in requests]).order_by("pk")
        return [(request.fault["code"], request.fault["message"]) for request in found if request.fault]

    assert expire() == [
        (806, "The meter has no active LLS_PASSWORD."),
        (806, "The meter has no active E_METER_AUTHENTICATION_KEY."),
    ]
    keystore.store_new(hls, dict.fromkeys(keys, bytes(16)))
    assert expire()[1][0] == 806  # They are not ACTIVE yet.
    keystore.activate(hls, keys[:1])
    assert expire()[1] == (806, "The meter has no active E_METER_ENCRYPTION_KEY_UNICAST.")
    keystore.activate(hls, keys)
    keystore.store_new(lls, {KeyType.LLS_PASSWORD: b"secret"})
    keystore.activate(lls, [KeyType.LLS_PASSWORD])
    assert [code for code, _ in expire()] == [417, 417]
    original = {"code": 225, "name": "CONNECTION_REFUSED"}
    request = waiting(organisation, tried, state=RequestState.RETRYING, fault=original, **fields)
    states.fail_overdue()
    request.refresh_from_db()
    assert request.fault == original


def test_thousands_of_overdue_requests_cost_as_few_statements_as_one(
    organisation: Organisation, meters: list[Device]
) -> None:
    original = {"code": 225, "name": "CONNECTION_REFUSED"}
    fields = {"max_schedule_time": timezone.now() - AGO, "state": RequestState.RETRYING, "fault": original}
    costs = []
    for number in (1, 1, 50):  # PostgreSQL prepares statements at first.
        for _ in range(number):
            waiting(organisation, meters[0], **fields)
        with CaptureQueriesContext(connection) as queries:
            assert states.fail_overdue() == number
        costs.append(len(queries))
    assert costs[1] == costs[2]
    assert set(Request.objects.values_list("state", "fault__code")) == {(RequestState.FAILED, 225)}
    assert set(Action.objects.values_list("state", "fault__code")) == {(ActionState.FAULT, 225)}


def test_requests_that_need_no_meter_go_to_the_system_queue(
    organisation: Organisation, meters: list[Device], monkeypatch: pytest.MonkeyPatch
) -> None:
    published = []
    monkeypatch.setattr(tasks.perform_platform_requests, "apply_async", lambda **_: published.append(True))
    Dispatcher().tick()
    assert published == []
    waiting(organisation, meters[0], meter=None)
    Dispatcher().tick()
    assert published == [True]
    assert not MeterSession.objects.exists()


def test_two_dispatchers_open_each_meter_once(organisation: Organisation, meters: list[Device]) -> None:
    for meter in meters:
        for priority in range(4):
            waiting(organisation, meter, priority)
    opened: list[MeterSession] = []
    barrier = threading.Barrier(4)

    def dispatch() -> None:
        try:
            barrier.wait()
            for _ in range(5):
                opened.extend(states.open_sessions(3).sessions)
        finally:
            connection.close()

    threads = [threading.Thread(target=dispatch) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(session.meter_id for session in opened) == sorted(meter.pk for meter in meters)


@pytest.mark.parametrize("error", [OperationalError("gone"), BrokerError("gone"), ConnectionError("gone")])
def test_survives_the_loss_of_database_and_broker(
    error: Exception, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    settings.OSGP = settings.OSGP | {"DISPATCH_INTERVAL": timedelta(milliseconds=1)}
    stop = threading.Event()

    def outcomes() -> Iterator[bool]:
        raise_first = iter([error, error])
        while True:
            failure = next(raise_first, None)
            if failure is None:
                stop.set()
            yield failure is None

    sequence = outcomes()

    def tick(_: Dispatcher) -> None:
        if not next(sequence):
            raise error

    monkeypatch.setattr(dispatcher_module.Dispatcher, "tick", tick)
    Dispatcher().run(stop)
    assert stop.is_set()


def test_a_round_without_work_is_cheap(
    organisation: Organisation, meters: list[Device], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)  # What is looked at now and then is not due again.
    dispatcher = Dispatcher()
    dispatcher.tick()
    with CaptureQueriesContext(connection) as queries:
        dispatcher.tick()
    uncounted = ("BEGIN", "COMMIT", "SET LOCAL")
    assert len([query for query in queries if not query["sql"].startswith(uncounted)]) <= 5


def test_in_a_backlog_sessions_are_opened_many_at_a_time_unless_there_is_news(
    organisation: Organisation, meters: list[Device], hints: Hints, settings: Settings
) -> None:
    settings.OSGP = settings.OSGP | {"DISPATCH_AHEAD": 4, "DISPATCH_INTERVAL": timedelta(hours=1)}
    for meter in meters:
        waiting(organisation, meter)
    dispatcher = Dispatcher()

    def opened_after(claims: int, *, news: bool) -> int:
        for session in MeterSession.objects.filter(state=SessionState.OPENED)[:claims]:
            assert states.claim(session.pk, session.token, "worker")
        before = len(hints)
        dispatcher._news = news
        assert dispatcher.tick() is not None
        return len(hints) - before

    assert opened_after(0, news=True) == 4
    assert opened_after(1, news=False) == 0
    assert opened_after(1, news=False) == 2
    waiting(organisation, factories.make_device("E9", owner=organisation), priority=9)
    assert opened_after(1, news=True) == 1
    assert hints[-1] == ("E9", 9)


def test_the_command_says_that_it_runs_and_that_it_ended(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    said_before: list[str] = []
    monkeypatch.setattr(dispatch, "stop_on_signals", lambda *_: None)
    monkeypatch.setattr(dispatch.WatchedDispatcher, "run", lambda *_: said_before.extend(caplog.messages))
    with caplog.at_level("INFO", logger=dispatch.__name__):
        call_command("dispatch")
    assert said_before == ["dispatching"]
    assert caplog.messages == ["dispatching", "ended in good order"]


def tell_slots(number: int) -> None:
    """A worker with so many slots."""
    heartbeats.beat(ProcessKind.WORKER, "worker", make_details(number), ["meter"])


def test_no_more_hints_than_slots_except_for_urgent_work(
    organisation: Organisation, other_organisation: Organisation, meters: list[Device], hints: Hints
) -> None:
    tell_slots(4)
    for meter in meters[:5]:
        waiting(organisation, meter)
    dispatcher = Dispatcher()
    dispatcher.tick()
    assert len(hints) == 3
    dispatcher.tick()
    assert len(hints) == 3
    waiting(other_organisation, meters[5], 9, timedelta())
    dispatcher._news = True
    dispatcher.tick()
    assert hints[3:] == [("E5", 9)]


def test_urgent_work_that_nobody_tells_of_is_found_after_the_interval(
    organisation: Organisation, meters: list[Device], hints: Hints, settings: Settings
) -> None:
    """A retry, for instance, whose time has come."""
    settings.OSGP = settings.OSGP | {"DISPATCH_INTERVAL": timedelta(0)}
    tell_slots(2)
    waiting(organisation, meters[0])
    waiting(organisation, meters[1])
    dispatcher = Dispatcher()
    dispatcher.tick()
    assert hints == [("E0", 4)]
    waiting(organisation, meters[2], 9, timedelta())
    dispatcher._news = False
    dispatcher.tick()
    assert hints[1:] == [("E2", 9)]


def test_requests_of_slow_meters_are_put_aside_once(
    organisation: Organisation, meters: list[Device], hints: Hints
) -> None:
    tell_slots(4)
    Device.objects.filter(pk__in=[meter.pk for meter in meters[:4]]).update(is_slow=True)
    for meter in meters[:4]:
        waiting(organisation, meter, 6)
    waiting(organisation, meters[4], 1)
    dispatcher = Dispatcher()
    for _ in range(2):
        dispatcher.tick()
    assert {name for name, _ in hints} == {"E0", "E4"}
    assert Request.objects.filter(in_slow_lane=1).count() == 3
    dispatcher._reaped_at = float("-inf")
    dispatcher.tick()
    assert "slow" in find_reasons()
