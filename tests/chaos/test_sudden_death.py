"""kill -9 of the platform's processes in mid-work, with the meters counting what reached them.

Where database and broker are not shared with other processes (SQLite, in-process broker), there is nothing
to kill but the process itself: a stand-in then dies in the same place by an exception that nothing catches.
"""

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from osgp.requests import states
from osgp.requests.models import Action, ActionState, MeterSession, Request, RequestState, SessionState
from osgp.visits.dispatcher import Dispatcher
from osgp.visits.visit import visit_meter
from tests import processes
from tests.chaos import servers
from tests.chaos.odd_messages.operations import DeadlyStep, SlowStep
from tests.chaos.promises import ENVIRONMENT, METERS, MORTAL, Work

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_worker_dies_in_mid_session(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    work.ask_all()
    if processes.are_shared():
        with processes.dispatcher(**MORTAL), processes.worker(**MORTAL) as first:
            processes.eventually(work.in_mid_session, "visits to all meters")
            first.kill()
            held = _claimed()
            with processes.worker(**ENVIRONMENT):
                work.settle()
    else:
        Dispatcher().tick()
        with monkeypatch.context() as patch:
            patch.setattr(states, "succeed", _die)
            _visit_all(expect=SystemExit)
        assert work.in_mid_session()
        held = _claimed()
        _leases_run_out()
        _go_on(work)
    # Where the second worker is slow to start, sessions that were opened meanwhile run out as well.
    lost = MeterSession.objects.filter(state=SessionState.LOST)
    assert held
    assert held <= set(lost.values_list("pk", flat=True))
    assert set(Request.objects.filter(message="ActualMeterReads").values_list("crashes", flat=True)) <= {0, 1}
    assert Request.objects.filter(crashes=1).exists()


def test_a_dispatcher_dies_between_opening_a_session_and_its_hint(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    work.ask_all()

    def opened_without_hint() -> bool:
        return MeterSession.objects.filter(state="OPENED", published_at=None).count() == METERS

    if processes.are_shared():
        with servers.broker_proxy() as (proxy, broker_url):
            # Connected to a broker that says nothing more, it stays in the middle of publishing.
            proxy.hold_up()
            with processes.dispatcher(**ENVIRONMENT | {"BROKER_URL": broker_url}) as dispatcher:
                processes.eventually(opened_without_hint, "sessions")
                dispatcher.kill()
        assert opened_without_hint()
    else:
        with monkeypatch.context() as patch:
            patch.setattr(Dispatcher, "_publish", _die)
            with pytest.raises(SystemExit):
                Dispatcher().tick()
        assert opened_without_hint()
    with processes.running(**ENVIRONMENT):
        work.settle()
    assert set(Request.objects.values_list("attempts", "crashes", "state")) == {(1, 0, "SUCCEEDED")}


def test_two_dispatchers_and_two_workers(work: Work) -> None:
    work.ask_all()
    if processes.are_shared():
        with (
            processes.dispatcher(**ENVIRONMENT),
            processes.dispatcher(**ENVIRONMENT),
            processes.worker(**ENVIRONMENT),
            processes.worker(**ENVIRONMENT),
        ):
            work.settle()
    else:
        with processes.running(), processes.dispatcher_thread():
            work.settle()
    assert set(Request.objects.values_list("attempts", "crashes", "state")) == {(1, 0, "SUCCEEDED")}


def test_a_request_that_kills_its_worker_is_given_up_and_takes_no_other_with_it(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    deadly = work.ask(work.devices[0], "DeadlyStep", effective_priority=9)
    same_meter = [work.ask(work.devices[0], "ActualMeterReads") for _ in range(2)]
    bystanders = [work.ask(device, "SlowStep") for device in work.devices[1:]]
    if processes.are_shared():
        supervised = processes.Supervised(lambda: processes.worker(**MORTAL))
        with processes.dispatcher(**MORTAL), supervised:
            work.settle()
        assert supervised.deaths == 3
    else:
        monkeypatch.setattr(DeadlyStep, "kill", _die)
        monkeypatch.setattr(SlowStep, "seconds", 0.0)
        for _ in range(3):
            Dispatcher().tick()
            for session in MeterSession.objects.filter(state="OPENED", meter=work.devices[0]):
                with pytest.raises(SystemExit):
                    visit_meter(session.pk, session.token, "worker")
            MeterSession.objects.filter(state="CLAIMED").update(
                expires_at=timezone.now() - timedelta(seconds=1)
            )
        _go_on(work)
    deadly.refresh_from_db()
    assert (deadly.state, deadly.crashes) == (RequestState.FAILED, 3)
    assert deadly.fault is not None
    assert (deadly.fault["code"], "died every time" in deadly.fault["message"]) == (414, True)
    action = Action.objects.get(request=deadly)
    assert (action.state, action.fault) == (ActionState.FAULT, deadly.fault)
    for request in same_meter + bystanders:
        request.refresh_from_db()
        assert request.state == RequestState.SUCCEEDED
        # What was in flight twice when a worker died is not in flight together with others again.
        assert request.crashes <= 2
    assert all(request.crashes <= 1 for request in same_meter)


def _claimed() -> set[uuid.UUID]:
    """The sessions that a worker has."""
    return set(MeterSession.objects.filter(state=SessionState.CLAIMED).values_list("pk", flat=True))


def _die(*_: object, **__: object) -> Any:
    raise SystemExit


def _visit_all(expect: type[BaseException] | None = None) -> None:
    for session in MeterSession.objects.filter(state=SessionState.OPENED):
        if expect is None:
            visit_meter(session.pk, session.token, "worker")
        else:
            with pytest.raises(expect):
                visit_meter(session.pk, session.token, "worker")


def _leases_run_out() -> None:
    MeterSession.objects.update(expires_at=timezone.now() - timedelta(seconds=1))


def _go_on(work: Work) -> None:
    """What a dispatcher and a worker would do until everything is settled, one step after the other."""
    dispatcher = Dispatcher()
    for _ in range(50):
        states.reap()
        dispatcher.tick()
        _visit_all()
        if work.is_settled():
            break
    work.settle()
