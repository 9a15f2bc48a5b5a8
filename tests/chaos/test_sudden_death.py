"""kill -9 of the platform's processes in mid-work, with the meter counting what reached it.

Where database and broker are not shared with other processes (SQLite, in-process broker), there is nothing
to kill but the process itself: a stand-in then dies in the same place by an exception that nothing catches.
"""

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from osgp.accounts.models import Organisation
from osgp.requests import states
from osgp.requests.dispatcher import Dispatcher
from osgp.requests.models import MeterSession, Request, RequestState, SessionState
from osgp.requests.visit import visit_meter
from osgp.simulator import Behaviour, Fleet, SimulatorThread
from tests import factories, meters, processes

pytestmark = pytest.mark.django_db(transaction=True)

LEASE = {"OSGP_SESSION_LEASE_SECONDS": "6", "OSGP_DISPATCH_INTERVAL_SECONDS": "0.2"}
METERS = 5


@pytest.fixture
def simulator() -> Iterator[SimulatorThread]:
    with SimulatorThread(Fleet.build(METERS, "SMR-5.1")) as simulator:
        for meter in simulator.meters.values():
            meter.behaviour = Behaviour(latency=(0.1, 0.1))
        yield simulator
    processes.disconnect_others()


@pytest.fixture
def requests(organisation: Organisation, simulator: SimulatorThread) -> list[Request]:
    """Three reads of each meter, due."""
    due = timezone.now() - timedelta(seconds=5)
    return [
        factories.make_request(organisation, device, "ActualMeterReads", due_at=due)
        for device in meters.add_meters(organisation, simulator).values()
        for _ in range(3)
    ]


def all_settled() -> bool:
    """Every request has an outcome, and every session is over."""
    pending = Request.objects.exclude(state__in=("SUCCEEDED", "FAILED", "CANCELLED"))
    return not pending.exists() and not MeterSession.objects.filter(state__in=states.LIVE).exists()


def check_promises(simulator: SimulatorThread) -> None:
    """Nothing lost, nothing twice, one association at a time, no invocation counter used again."""
    assert set(Request.objects.values_list("state", flat=True)) == {RequestState.SUCCEEDED}
    for meter in simulator.meters.values():
        assert meter.memory.statistics.concurrent_associations == 0
        assert meter.memory.statistics.invocation_counter_refusals == 0
        assert meter.memory.counters.repeated == []


def in_mid_session() -> bool:
    return MeterSession.objects.filter(state=SessionState.CLAIMED).count() == METERS


def test_a_worker_dies_in_mid_session(
    simulator: SimulatorThread, requests: list[Request], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    if processes.are_shared():
        with processes.dispatcher(**LEASE), processes.worker(**LEASE) as first:
            processes.eventually(in_mid_session, "visits to all meters")
            first.kill()
            with processes.worker(**LEASE):
                processes.eventually(all_settled, "an outcome of every request")
    else:
        Dispatcher().tick()
        with monkeypatch.context() as patch:
            patch.setattr(states, "finish_action", _die)
            _visit_all(expect=SystemExit)
        assert in_mid_session()
        MeterSession.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
        while not all_settled():
            Dispatcher().tick()
            _visit_all()
    assert MeterSession.objects.filter(state=SessionState.LOST).count() == METERS
    assert set(Request.objects.values_list("crashes", flat=True)) == {1}
    check_promises(simulator)


def test_a_dispatcher_dies_between_opening_a_session_and_its_hint(
    simulator: SimulatorThread, requests: list[Request], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.OSGP = settings.OSGP | {"HINT_TIMEOUT": timedelta(0)}
    with monkeypatch.context() as patch:
        patch.setattr(Dispatcher, "_publish", _die)
        with pytest.raises(SystemExit):
            Dispatcher().tick()
    assert MeterSession.objects.filter(state=SessionState.OPENED, published_at=None).count() == METERS
    if processes.are_shared():
        with processes.dispatcher(OSGP_HINT_TIMEOUT_SECONDS="1"), processes.worker():
            processes.eventually(all_settled, "an outcome of every request")
    else:
        with processes.running():
            processes.eventually(all_settled, "an outcome of every request")
    assert MeterSession.objects.count() == METERS
    check_promises(simulator)


def test_two_dispatchers_and_two_workers(simulator: SimulatorThread, requests: list[Request]) -> None:
    if processes.are_shared():
        with processes.dispatcher(), processes.dispatcher(), processes.worker(), processes.worker():
            processes.eventually(all_settled, "an outcome of every request")
    else:
        stop = threading.Event()
        second = threading.Thread(target=Dispatcher().run, args=(stop,))
        with processes.running():
            second.start()
            processes.eventually(all_settled, "an outcome of every request")
            stop.set()
            second.join()
    check_promises(simulator)
    assert set(Request.objects.values_list("attempts", flat=True)) == {1}


def _die(*_: object, **__: object) -> Any:
    raise SystemExit


def _visit_all(expect: type[BaseException] | None = None) -> None:
    for session in MeterSession.objects.filter(state=SessionState.OPENED):
        if expect is None:
            visit_meter(session.pk, session.token, "worker")
        else:
            with pytest.raises(expect):
                visit_meter(session.pk, session.token, "worker")
