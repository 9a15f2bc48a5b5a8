"""The states of requests and sessions under any order of events, as a hypothesis rule-based machine.

Every change of a state is recorded, and held against the tables of states: there are no others, and all of
them happen. Time does not pass by itself here: rules move due times and leases into the past instead.
"""

import random
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, ClassVar

import pytest
from django.db.models import Model, Q
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from osgp.accounts.models import Organisation
from osgp.devices.models import Device
from osgp.messages.naming import BUNDLE
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
from osgp.requests.work import WorkAction, WorkRequest
from tests import factories
from tests.state_check import TABLES, Change, recorded_changes

RETRYABLE, PERMANENT = True, False
FAULT = {"code": 225, "name": "CONNECTION_REFUSED", "message": "", "component": "", "retryable": True}
PAST = timedelta(hours=1)
RECORDED = (Request, Action, MeterSession)
POSSIBLE = {(model, *change) for model in RECORDED for change in TABLES[model].list_changes()}
MOST_ROUNDS, EVENTS = 50, 60
"""Of events, until each change was seen; a few rounds do."""


class Worker:
    """A worker process that holds one session; a dead one never acts again.

    ``requests`` are what it took, a list of actions without an outcome for each; ``started`` which of them
    it is in the middle of.
    """

    def __init__(self, session_id: uuid.UUID, meter_id: int) -> None:
        self.session_id = session_id
        self.meter_id = meter_id
        self.requests = work.list_unfinished(session_id)
        self.started: set[int] = set()

    def take_more(self) -> bool:
        taken = states.take_requests(self.session_id, self.meter_id, 2)
        self.requests = work.list_unfinished(self.session_id) if taken else []
        return bool(self.requests)


class RequestsAndSessions(RuleBasedStateMachine):
    take_changes: ClassVar[Callable[[], list[Change]]]
    seen: ClassVar[set[tuple[type[Model], str, str]]] = set()

    def __init__(self) -> None:
        super().__init__()
        _empty()
        self.take_changes()
        self.states: dict[tuple[type[Model], Any], str] = {}
        self.organisation = factories.make_organisation()
        self.meters = [factories.make_device(f"E{n:016}", owner=self.organisation) for n in range(3)]
        twin = {"network_address": self.meters[0].network_address}
        self.meters.append(factories.make_device("TWIN", owner=self.organisation, **twin))
        self.hints: list[tuple[uuid.UUID, uuid.UUID]] = []
        self.workers: list[Worker] = []
        self.finals: dict[int, tuple[str, Any, Any]] = {}
        self.finished: dict[int, int] = {}
        self.started: set[int] = set()
        self.known: dict[int, tuple[str, Any, Any]] = {}

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
        self.states_change_by_the_tables()
        assert all(count == 1 for count in self.finished.values())
        assert not Action.objects.filter(state__in=(ActionState.PENDING, ActionState.STARTED)).exclude(
            request__state=RequestState.CANCELLED
        )
        _empty()

    @initialize(visits=st.integers(0, 3))
    def visits_are_under_way(self, visits: int) -> None:
        for meter in range(visits):
            self.submit(meter, priority=5, scheduled=False, actions=1 + meter)
        self.dispatch()
        self.deliver_all()

    @rule(
        meter=st.integers(0, 3),
        priority=st.integers(0, 9),
        scheduled=st.booleans(),
        actions=st.integers(1, 4),
    )
    def submit(self, meter: int, priority: int, scheduled: bool, actions: int) -> None:
        request = factories.make_request(
            self.organisation,
            self.meters[meter],
            "SynchronizeTime" if actions == 1 else BUNDLE,
            priority=priority,
            effective_priority=priority,
            state=RequestState.SCHEDULED if scheduled else RequestState.QUEUED,
            due_at=timezone.now() + (PAST if scheduled else -PAST),
        )
        Action.objects.bulk_create(
            Action(request=request, position=position, message="SynchronizeTime", device=request.device)
            for position in range(1, actions)
        )
        request.actions.update(message="SynchronizeTime")

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
        self.hints += [(session.pk, session.token) for session in states.find_sessions_without_hint(10)]

    @precondition(lambda self: self.hints)
    @rule(number=st.integers(0, 99), twice=st.booleans())
    def deliver(self, number: int, twice: bool) -> None:
        hint = self.hints[number % len(self.hints)]
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
        claimed = states.claim_and_take(session_id, token, "worker", 2)
        if claimed is None:
            return
        assert states.claim_and_take(session_id, token, "another worker", 2) is None
        meter, requests = claimed
        assert requests == work.list_unfinished(session_id)
        if requests or states.take_requests(session_id, meter.pk, 2, suspects=True):
            self.workers.append(Worker(session_id, meter.pk))
        else:
            assert states.close(session_id)

    @precondition(lambda self: self.workers)
    @rule(retryable=st.booleans())
    def lose_the_meter(self, retryable: bool) -> None:
        worker = self.workers.pop()
        for request in (actions[0].request for actions in worker.requests):
            if not (retryable and self._retry(worker, request)):
                self._count(request.pk, states.fail_request(request.pk, worker.session_id, FAULT))
        states.close(worker.session_id, fault=FAULT)

    @precondition(lambda self: self.workers)
    @rule(outcome=st.sampled_from([ActionState.DONE, RETRYABLE, PERMANENT]), once=st.booleans())
    def perform_one_action(self, outcome: ActionState | bool, once: bool) -> None:
        """The outcome of an action of a bundle is stored as it is known, all but that of the last one."""
        worker = self.workers[-1]
        actions = worker.requests[0]
        if len(actions) > 1:
            if once:
                self._start(worker, actions[0])
            self._finish(worker, actions[0], outcome)
            del actions[0]

    @precondition(lambda self: self.workers)
    @rule()
    def start_an_action_that_must_not_be_repeated(self) -> None:
        worker = self.workers[-1]
        self._start(worker, worker.requests[0][0])

    def _start(self, worker: Worker, action: WorkAction) -> None:
        if states.start_action(action.pk, worker.session_id):
            assert action.pk not in self.started
            self.started.add(action.pk)
            worker.started.add(action.pk)
            action.state = ActionState.STARTED

    @precondition(lambda self: self.workers)
    @rule(once=st.booleans())
    def succeed(self, once: bool = False) -> None:
        worker = self.workers.pop(random.randrange(len(self.workers)))
        while True:
            for actions in worker.requests:
                self._settle(worker, actions, ActionState.DONE, once=once)
            if not worker.take_more():
                break
        states.close(worker.session_id)

    @precondition(lambda self: self.workers)
    @rule(retryable=st.booleans(), once=st.booleans())
    def meet_faults(self, retryable: bool, once: bool) -> None:
        worker = self.workers.pop()
        for actions in worker.requests:
            self._settle(worker, actions, retryable, once=once)
        states.close(worker.session_id)

    def _settle(
        self, worker: Worker, actions: list[WorkAction], outcome: ActionState | bool, *, once: bool
    ) -> None:
        """What a visit does with the actions that it took, if nothing happens to it; ``once``: they must not
        be repeated.
        """
        request = actions[0].request
        for action in actions if once else ():
            self._start(worker, action)
        is_known = actions[0].state == ActionState.PENDING or actions[0].pk in worker.started
        if outcome == ActionState.DONE and not request.is_bundle and is_known:
            succeeded = states.succeed(request.pk, actions[0].pk, worker.session_id, worker.meter_id, {})
            self._count(request.pk, succeeded is not None)
            return
        for action in actions:
            stored = self._finish(worker, action, outcome)
        fault = work.find_retryable_fault(request.pk)
        if fault is not None and self._retry(worker, request):
            return
        finished = states.finish_request(request.pk, worker.session_id, RequestState.SUCCEEDED, fault=None)
        assert stored == finished
        self._count(request.pk, finished)

    def _finish(self, worker: Worker, action: WorkAction, outcome: ActionState | bool) -> bool:
        """``outcome``: DONE, or whether the fault may pass. What was started before, or may have been carried
        out in spite of a fault, is unknown.
        """
        state = outcome if isinstance(outcome, ActionState) else ActionState.FAULT
        is_own = action.pk in worker.started and outcome is not RETRYABLE
        if action.state == ActionState.STARTED and not is_own:
            state = ActionState.UNKNOWN
        fault = None if state == ActionState.DONE else FAULT | {"retryable": outcome is RETRYABLE}
        return states.finish_action(action.pk, worker.session_id, state, result=None, fault=fault)

    def _retry(self, worker: Worker, request: WorkRequest) -> bool:
        retried = request.attempts < 3 and states.retry_request(
            request.pk, worker.session_id, PAST, fault=FAULT, priority=0
        )
        if retried:
            states.reopen_actions([request.pk], worker.session_id)
        return retried

    @precondition(lambda self: self.workers)
    @rule()
    def hand_back(self) -> None:
        worker = self.workers.pop()
        states.hand_back(worker.session_id)
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

    @rule(number=st.integers(0, 99))
    def cancel(self, number: int) -> None:
        requests = Request.objects.order_by("pk")
        if requests:
            request = requests[number % len(requests)]
            cancelled = states.cancel(request.pk)
            assert cancelled == (request.state in {"SCHEDULED", "QUEUED", "RETRYING"})
            self._count(request.pk, cancelled)

    @rule(number=st.integers(0, 99))
    def run_late(self, number: int) -> None:
        """A max_schedule_time passes."""
        ids = list(Request.objects.filter(max_schedule_time=None).order_by("pk").values_list("pk", flat=True))
        if ids:
            Request.objects.filter(pk=ids[number % len(ids)]).update(max_schedule_time=timezone.now() - PAST)
        states.fail_overdue()
        self._note_failures_by_the_platform()

    @invariant()
    def states_change_by_the_tables(self) -> None:
        """Perhaps several times within a rule; a row that is new begins in an initial state."""
        followed = dict(self.states)
        for model, key, former, state in self.take_changes():
            assert followed.setdefault((model, key), former) == former
            assert (model, former, state) in POSSIBLE
            followed[model, key] = state
            self.seen.add((model, former, state))
            if (model, key) not in self.states:
                assert former in TABLES[model].initial
                self.states[model, key] = former
        now = {
            (model, key): state
            for model in RECORDED
            for key, state in model._default_manager.values_list("pk", "state")
        }
        assert all(state in TABLES[row[0]].initial for row, state in now.items() if row not in followed)
        assert all(followed.get(row, state) == state for row, state in now.items())
        self.states = now

    @invariant()
    def one_live_session_per_meter(self) -> None:
        live = MeterSession.objects.filter(state__in=states.LIVE).values_list("meter", flat=True)
        assert len(live) == len(set(live))

    @invariant()
    def one_live_session_per_endpoint(self) -> None:
        live = MeterSession.objects.filter(state__in=states.LIVE).values_list("endpoint", flat=True)
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

    @invariant()
    def what_is_known_of_an_action_does_not_change(self) -> None:
        """Except for faults that may pass: those are tried again."""
        lasting = Q(state=ActionState.DONE) | Q(state=ActionState.UNKNOWN) | Q(fault__retryable=PERMANENT)
        now = {
            pk: (state, finished_at, fault)
            for pk, state, finished_at, fault in Action.objects.filter(
                lasting, finished_at__isnull=False
            ).values_list("pk", "state", "finished_at", "fault")
        }
        assert now.items() >= self.known.items()
        self.known = now

    @invariant()
    def what_was_started_is_never_pending_again(self) -> None:
        assert not Action.objects.filter(pk__in=self.started, state=ActionState.PENDING).exists()

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


@pytest.fixture
def _recorded(transactional_db: None) -> Iterator[None]:
    with recorded_changes(*RECORDED) as take:
        RequestsAndSessions.take_changes = staticmethod(take)
        yield


@pytest.mark.usefixtures("_recorded")
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


def next_event(machine: RequestsAndSessions, chance: random.Random) -> Callable[[], None]:
    """Mostly what a worker does, if there is one, and what leads to one."""
    number, yes = chance.randrange(100), chance.random() < 0.5
    events: list[Callable[[], None]] = [
        lambda: machine.cancel(number),
        lambda: machine.run_late(number),
        machine.time_passes,
        *[machine.dispatch] * 4,
        *[lambda: machine.submit(number % 4, priority=5, scheduled=yes, actions=1 + number % 4)] * 4,
    ]
    if machine.hints:
        events += [machine.deliver_all] * 20
    if machine.workers:
        outcome = chance.choice((ActionState.DONE, RETRYABLE, PERMANENT))
        events += 4 * [
            lambda: machine.perform_one_action(outcome, yes),
            lambda: machine.succeed(once=yes),
            lambda: machine.meet_faults(retryable=number % 2 == 0, once=yes),
            lambda: machine.lose_the_meter(retryable=yes),
            machine.hand_back,
            machine.kill_worker,
        ]
    return chance.choice(events)


@pytest.mark.usefixtures("_recorded")
def test_everything_that_the_tables_say_happens() -> None:
    """What the events of the test before brought about counts as well."""
    chance = random.Random(1)
    for _ in range(MOST_ROUNDS):
        if RequestsAndSessions.seen == POSSIBLE:
            break
        machine = RequestsAndSessions()
        for _ in range(EVENTS):
            next_event(machine, chance)()
            machine.states_change_by_the_tables()
        machine.teardown()
    assert RequestsAndSessions.seen == POSSIBLE
