"""The states of requests and sessions under any order of events, as a hypothesis rule-based machine.

Time does not pass by itself here: rules move due times and leases into the past instead.
"""

import random
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from osgp.accounts.models import Organisation
from osgp.devices.models import Device
from osgp.requests import states, work
from osgp.requests.models import (
    FINAL_STATES,
    Action,
    ActionState,
    MeterSession,
    Request,
    RequestState,
    SessionState,
)
from tests import factories

FAULT = {"code": 225, "name": "CONNECTION_REFUSED", "message": "", "component": "", "retryable": True}
PAST = timedelta(hours=1)


class Worker:
    """A worker process that holds one session; a dead one never acts again."""

    def __init__(self, session_id: uuid.UUID, meter_id: int) -> None:
        self.session_id = session_id
        self.meter_id = meter_id
        self.requests = work.unfinished(session_id)

    def take_more(self) -> bool:
        taken = states.take_requests(self.session_id, self.meter_id, 2)
        self.requests = work.unfinished(self.session_id) if taken else []
        return bool(self.requests)


class RequestsAndSessions(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        _empty()
        self.organisation = factories.make_organisation()
        self.meters = [factories.make_device(f"E{n:016}", owner=self.organisation) for n in range(3)]
        self.hints: list[tuple[uuid.UUID, uuid.UUID]] = []
        self.workers: list[Worker] = []
        self.finals: dict[int, tuple[str, Any, Any]] = {}
        self.finished: dict[int, int] = {}

    def teardown(self) -> None:
        """Whatever happened before: with healthy workers, every request reaches a final state."""
        for _ in range(40):
            self.time_passes()
            self.dispatch()
            self.deliver_all()
            while self.workers:
                self.succeed()
            if not Request.objects.exclude(state__in=FINAL_STATES).exists():
                break
        else:
            stuck = list(
                Request.objects.exclude(state__in=FINAL_STATES).values("state", "attempts", "crashes")
            )
            raise AssertionError(f"not final: {stuck}")
        self.nothing_final_changes()
        assert all(count == 1 for count in self.finished.values())
        assert not Action.objects.filter(state__in=(ActionState.PENDING, ActionState.STARTED)).exclude(
            request__state=RequestState.CANCELLED
        )
        _empty()

    @rule(meter=st.integers(0, 2), priority=st.integers(0, 9), scheduled=st.booleans())
    def submit(self, meter: int, priority: int, scheduled: bool) -> None:
        factories.make_request(
            self.organisation,
            self.meters[meter],
            priority=priority,
            effective_priority=priority,
            state=RequestState.SCHEDULED if scheduled else RequestState.QUEUED,
            due_at=timezone.now() + (PAST if scheduled else -PAST),
        )

    @rule(limit=st.integers(1, 3))
    def dispatch(self, limit: int = 3) -> None:
        states.queue_scheduled()
        states.reap()
        states.fail_overdue()
        self._note_failures_by_the_platform()
        sessions = states.open_sessions(limit).sessions
        assert len({session.meter_id for session in sessions}) == len(sessions)
        states.mark_published(sessions)
        self.hints += [(session.pk, session.token) for session in sessions]

    @rule()
    def publish_lost_hints(self) -> None:
        MeterSession.objects.filter(state=SessionState.OPENED).update(published_at=timezone.now() - PAST)
        self.hints += [(session.pk, session.token) for session in states.sessions_without_hint(10)]

    @precondition(lambda self: self.hints)
    @rule(data=st.data(), twice=st.booleans())
    def deliver(self, data: st.DataObject, twice: bool) -> None:
        hint = data.draw(st.sampled_from(self.hints))
        if not twice:
            self.hints.remove(hint)
        self._receive(*hint)

    @precondition(lambda self: self.hints)
    @rule()
    def lose_hints(self) -> None:
        self.hints.clear()

    def deliver_all(self) -> None:
        while self.hints:
            self._receive(*self.hints.pop())

    def _receive(self, session_id: uuid.UUID, token: uuid.UUID) -> None:
        assert states.claim(session_id, uuid.uuid4(), "forger") is None
        meter_id = states.claim(session_id, token, "worker")
        if meter_id is None:
            return
        assert states.claim(session_id, token, "another worker") is None
        if states.take_requests(session_id, meter_id, 2):
            self.workers.append(Worker(session_id, meter_id))
        else:
            assert states.close(session_id)

    @precondition(lambda self: self.workers)
    @rule(retryable=st.booleans())
    def lose_the_meter(self, retryable: bool) -> None:
        worker = self.workers.pop()
        for request in (actions[0].request for actions in worker.requests):
            if not (
                retryable
                and request.attempts < 3
                and states.retry_request(request.pk, worker.session_id, PAST, fault=FAULT, priority=0)
            ):
                self._count(request.pk, states.fail_request(request.pk, worker.session_id, FAULT))
        states.close(worker.session_id, fault=FAULT)

    @precondition(lambda self: self.workers)
    @rule()
    def succeed(self) -> None:
        worker = self.workers.pop(random.randrange(len(self.workers)))
        while True:
            for [action] in worker.requests:
                request, held = action.request, worker.session_id
                stored = states.finish_action(action.pk, held, ActionState.DONE, result={}, fault=None)
                finished = states.finish_request(request.pk, held, RequestState.SUCCEEDED, fault=None)
                assert stored == finished
                self._count(request.pk, finished)
            if not worker.take_more():
                break
        states.close(worker.session_id)

    @precondition(lambda self: self.workers)
    @rule()
    def kill_worker(self) -> None:
        self.workers.pop(random.randrange(len(self.workers)))

    @rule()
    def time_passes(self) -> None:
        """Leases that nobody extends run out, and everything that waits for a time is due."""
        alive = [worker.session_id for worker in self.workers]
        held = states.extend(alive) if alive else set()
        MeterSession.objects.exclude(pk__in=held).update(expires_at=timezone.now() - PAST)
        Request.objects.update(due_at=timezone.now() - PAST)

    @precondition(lambda self: self.workers)
    @rule()
    def freeze_worker_beyond_its_lease(self) -> None:
        """The worker goes on afterwards as if nothing had happened, and must not change anything."""
        MeterSession.objects.filter(pk=self.workers[-1].session_id).update(expires_at=timezone.now() - PAST)

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        ids = list(Request.objects.values_list("pk", flat=True))
        if ids:
            request = Request.objects.get(pk=data.draw(st.sampled_from(ids)))
            cancelled = states.cancel(request.pk)
            assert cancelled == (request.state in {"SCHEDULED", "QUEUED", "RETRYING"})
            self._count(request.pk, cancelled)

    @rule(data=st.data())
    def run_late(self, data: st.DataObject) -> None:
        """A max_schedule_time passes."""
        ids = list(Request.objects.filter(max_schedule_time=None).values_list("pk", flat=True))
        if ids:
            Request.objects.filter(pk=data.draw(st.sampled_from(ids))).update(
                max_schedule_time=timezone.now() - PAST
            )
        states.fail_overdue()
        self._note_failures_by_the_platform()

    @invariant()
    def one_live_session_per_meter(self) -> None:
        live = MeterSession.objects.filter(state__in=states.LIVE).values_list("meter", flat=True)
        assert len(live) == len(set(live))

    @invariant()
    def running_requests_have_a_claimed_session(self) -> None:
        running = Request.objects.filter(state=RequestState.RUNNING)
        assert not running.exclude(session__state=SessionState.CLAIMED).exists()

    @invariant()
    def nothing_final_changes(self) -> None:
        now = {
            pk: (state, completed_at, fault)
            for pk, state, completed_at, fault in Request.objects.filter(state__in=FINAL_STATES).values_list(
                "pk", "state", "completed_at", "fault"
            )
        }
        assert now.items() >= self.finals.items()
        assert all(completed_at is not None for _, completed_at, _ in now.values())
        self.finals = now

    def _count(self, request_id: int, finished: bool) -> None:
        if finished:
            self.finished[request_id] = self.finished.get(request_id, 0) + 1

    def _note_failures_by_the_platform(self) -> None:
        for pk in Request.objects.filter(state=RequestState.FAILED).values_list("pk", flat=True):
            self.finished.setdefault(pk, 1)


def _empty() -> None:
    Action.objects.all().delete()
    Request.objects.all().delete()
    MeterSession.objects.all().delete()
    Device.objects.all().delete()
    Organisation.objects.all().delete()


@pytest.mark.django_db(transaction=True)
def test_any_order_of_events() -> None:
    run_state_machine_as_test(
        RequestsAndSessions,
        settings=settings(
            max_examples=25,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
