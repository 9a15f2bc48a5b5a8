"""Every change of state of requests, actions and sessions, each a conditional UPDATE whose row count counts.

Nothing here trusts that it is alone: any number of dispatchers, workers and API processes run these at the
same time, and hints may be delivered late, twice or never. Times are the database's, so that a worker whose
clock is off neither takes work early nor loses its lease.
"""

import uuid
from collections.abc import Collection, Iterable, Mapping
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import models, transaction
from django.db.models import Case, Exists, F, OuterRef, Q, QuerySet, Value, When
from django.db.models.functions import Coalesce, Now

from osgp.faults import Component, Fault, FaultCode
from osgp.requests.models import (
    Action,
    ActionState,
    MeterSession,
    Request,
    RequestState,
    SessionState,
)

LIVE = (SessionState.OPENED, SessionState.CLAIMED)
DUE_STATES = (RequestState.QUEUED, RequestState.RETRYING)

OVERDUE = Fault(
    FaultCode.MAX_SCHEDULE_TIME_EXCEEDED,
    "The request was not carried out before its max_schedule_time.",
    component=Component.CORE,
).as_dict()
QUARANTINED = Fault(
    FaultCode.UNABLE_TO_PROCESS_REQUEST,
    "The request was given up: the worker that carried it out died every time.",
    component=Component.CORE,
).as_dict()


def _later(delay: timedelta) -> models.expressions.Combinable:
    """The database's time plus ``delay``."""
    return Now() + Value(delay, output_field=models.DurationField())


def due_requests() -> QuerySet[Request]:
    """Requests that wait for a visit and may be carried out now, most urgent first."""
    return (
        Request.objects.filter(state__in=DUE_STATES, due_at__lte=Now())
        .exclude(max_schedule_time__lt=Now())
        .order_by(F("effective_priority").desc(), "due_at", "id")
    )


# --- Dispatcher ----------------------------------------------------------------------------------------


def queue_scheduled() -> int:
    """SCHEDULED requests whose time has come become QUEUED."""
    return Request.objects.filter(state=RequestState.SCHEDULED, due_at__lte=Now()).update(
        state=RequestState.QUEUED
    )


def fail_overdue(limit: int = 1000) -> int:
    """Waiting requests past their max_schedule_time fail with 417, or the fault of their last attempt."""
    overdue = Request.objects.filter(
        state__in=(RequestState.SCHEDULED, *DUE_STATES), max_schedule_time__lt=Now()
    )
    failed = 0
    for request_id, fault in list(overdue.values_list("pk", "fault")[:limit]):
        failed += _fail_waiting(request_id, fault or OVERDUE)
    return failed


@transaction.atomic
def _fail_waiting(request_id: int, fault: dict[str, Any]) -> int:
    failed = Request.objects.filter(pk=request_id, state__in=(RequestState.SCHEDULED, *DUE_STATES)).update(
        state=RequestState.FAILED, fault=fault, completed_at=Now()
    )
    if failed:
        _give_up_actions([request_id], fault)
    return failed


@transaction.atomic
def open_sessions(limit: int) -> list[MeterSession]:
    """Lease up to ``limit`` meters that have due work and no live session; returns the new sessions.

    Rows are taken with SKIP LOCKED, so dispatchers do not wait for one another. Two of them may still choose
    the same meter through two of its requests: the partial unique index lets only one session in.
    """
    if limit <= 0:
        return []
    live = MeterSession.objects.filter(meter=OuterRef("meter"), state__in=LIVE)
    due = (
        due_requests()
        .filter(~Exists(live), meter__isnull=False)
        .select_for_update(skip_locked=True, of=("self",))
        .values_list("meter_id", "effective_priority")[:limit]
    )
    priorities: dict[int, int] = {}
    for meter_id, priority in due:
        priorities.setdefault(meter_id, priority)
    if not priorities:
        return []
    wanted = [
        MeterSession(
            meter_id=meter_id,
            priority=priority,
            opened_at=Now(),
            expires_at=_later(settings.OSGP["SESSION_LEASE"]),
        )
        for meter_id, priority in priorities.items()
    ]
    MeterSession.objects.bulk_create(wanted, ignore_conflicts=True)
    opened = set(MeterSession.objects.filter(pk__in=[s.pk for s in wanted]).values_list("pk", flat=True))
    return [session for session in wanted if session.pk in opened]


def unclaimed_sessions() -> int:
    """Sessions whose hint no worker has taken up yet."""
    return MeterSession.objects.filter(state=SessionState.OPENED).count()


def mark_published(sessions: Iterable[MeterSession]) -> None:
    """Remember when the hints went out, to notice the ones that get lost."""
    MeterSession.objects.filter(pk__in=[session.pk for session in sessions]).update(published_at=Now())


def sessions_without_hint(limit: int) -> list[MeterSession]:
    """OPENED sessions whose hint was never published or not taken up in time."""
    silent = _later(-settings.OSGP["HINT_TIMEOUT"])
    return list(
        MeterSession.objects.filter(state=SessionState.OPENED)
        .filter(Q(published_at__lt=silent) | Q(published_at__isnull=True, opened_at__lt=silent))
        .order_by("-priority", "opened_at")[:limit]
    )


@transaction.atomic
def reap(limit: int = 500) -> int:
    """Take back the sessions whose time ran out; their requests become due again. Returns how many."""
    lost = list(
        MeterSession.objects.filter(state__in=LIVE, expires_at__lt=Now())
        .select_for_update(skip_locked=True)
        .values_list("pk", flat=True)[:limit]
    )
    if not lost:
        return 0
    MeterSession.objects.filter(pk__in=lost).update(state=SessionState.LOST, closed_at=Now())
    running = Request.objects.filter(session__in=lost, state=RequestState.RUNNING)
    poisonous = list(
        running.filter(crashes__gte=settings.OSGP["MAX_CRASHES"] - 1).values_list("pk", flat=True)
    )
    Request.objects.filter(pk__in=poisonous, state=RequestState.RUNNING).update(
        state=RequestState.FAILED, crashes=F("crashes") + 1, fault=QUARANTINED, completed_at=Now()
    )
    _give_up_actions(poisonous, QUARANTINED)
    running.update(state=RequestState.RETRYING, crashes=F("crashes") + 1, due_at=Now())
    return len(lost)


# --- Worker --------------------------------------------------------------------------------------------


def claim(session_id: uuid.UUID | str, token: uuid.UUID | str, worker: str) -> int | None:
    """Make an OPENED session this worker's; returns its meter. None: somebody else has it, or it is over."""
    mine = MeterSession.objects.filter(pk=session_id, token=token)
    claimed = mine.filter(state=SessionState.OPENED).update(
        state=SessionState.CLAIMED,
        worker=worker[:100],
        claimed_at=Now(),
        expires_at=_later(settings.OSGP["SESSION_LEASE"]),
    )
    return mine.values_list("meter_id", flat=True).get() if claimed else None


def extend(session_ids: Collection[uuid.UUID]) -> set[uuid.UUID]:
    """Extend the leases that are still held; returns them. A session that is missing was lost."""
    held = MeterSession.objects.filter(pk__in=session_ids, state=SessionState.CLAIMED)
    if held.update(expires_at=_later(settings.OSGP["SESSION_LEASE"])) == len(session_ids):
        return set(session_ids)
    return set(held.values_list("pk", flat=True))


def take_requests(session_id: uuid.UUID, meter_id: int, limit: int) -> list[Action]:
    """Make due requests of the session's meter RUNNING; returns their unfinished actions, in order.

    Requests come in priority order and age, the actions of one request stay together. Each action has its
    request, its device, and the device that is dialled with it, so the visit needs no further query.

    A request that killed a worker before is taken alone: it must not take innocent ones with it.
    """
    due = list(due_requests().filter(meter=meter_id).values_list("pk", "crashes")[:limit])
    if not due:
        return []
    chosen = [pk for pk, crashes in due if not crashes] or [due[0][0]]
    owned = MeterSession.objects.filter(pk=session_id, state=SessionState.CLAIMED)
    taken = Request.objects.filter(Exists(owned), pk__in=chosen, state__in=DUE_STATES).update(
        state=RequestState.RUNNING,
        session=session_id,
        attempts=F("attempts") + 1,
        started_at=Coalesce("started_at", Now()),
    )
    if not taken:
        return []
    return list(
        Action.objects.filter(
            request__session=session_id,
            request__state=RequestState.RUNNING,
            state__in=(ActionState.PENDING, ActionState.STARTED),
        )
        .select_related("request", "device", "request__meter")
        .order_by(F("request__effective_priority").desc(), "request__due_at", "request", "position")
    )


def start_action(action: Action) -> bool:
    """Say that an action that must not be repeated is about to be sent. False: it is not ours any more."""
    return (
        Action.objects.filter(
            pk=action.pk,
            state=ActionState.PENDING,
            request__state=RequestState.RUNNING,
            request__session=action.request.session_id,
        ).update(state=ActionState.STARTED, started_at=Now())
        == 1
    )


def finish_action(
    action: Action, state: ActionState, *, result: Mapping[str, Any] | None, fault: Mapping[str, Any] | None
) -> bool:
    """Store the outcome of an action. False: the session was lost meanwhile, somebody else decides.

    PENDING as ``state`` keeps the action for the next attempt, with the fault of this one.
    """
    return (
        Action.objects.filter(
            pk=action.pk,
            state__in=(ActionState.PENDING, ActionState.STARTED),
            request__state=RequestState.RUNNING,
            request__session=action.request.session_id,
        ).update(
            state=state,
            result=result,
            fault=fault,
            started_at=Coalesce("started_at", Now()),
            finished_at=None if state == ActionState.PENDING else Now(),
        )
        == 1
    )


def finish_request(
    request: Request, state: RequestState, *, fault: Mapping[str, Any] | None, device_id: int | None = None
) -> bool:
    """RUNNING -> SUCCEEDED or FAILED. False: the session was lost meanwhile."""
    changes: dict[str, Any] = {"device_id": device_id} if device_id is not None else {}
    return (
        Request.objects.filter(
            pk=request.pk, state=RequestState.RUNNING, session_id=request.session_id
        ).update(state=state, fault=fault, completed_at=Now(), **changes)
        == 1
    )


def retry_request(request: Request, delay: timedelta, *, fault: Mapping[str, Any], priority: int) -> bool:
    """RUNNING -> RETRYING, due after ``delay``. False: the session was lost meanwhile."""
    return (
        Request.objects.filter(
            pk=request.pk, state=RequestState.RUNNING, session_id=request.session_id
        ).update(state=RequestState.RETRYING, fault=fault, due_at=_later(delay), effective_priority=priority)
        == 1
    )


def reopen_action(action: Action) -> None:
    """An action whose fault may pass is tried again with the request; the fault stays visible meanwhile."""
    Action.objects.filter(
        pk=action.pk,
        state=ActionState.FAULT,
        request__state=RequestState.RUNNING,
        request__session=action.request.session_id,
    ).update(state=ActionState.PENDING, finished_at=None)


@transaction.atomic
def fail_request(request: Request, fault: Mapping[str, Any]) -> bool:
    """RUNNING -> FAILED with all actions that have no outcome yet. False: the session was lost meanwhile."""
    failed = finish_request(request, RequestState.FAILED, fault=fault)
    if failed:
        _give_up_actions([request.pk], fault)
    return failed


def close(session_id: uuid.UUID, **statistics: Any) -> bool:
    """CLAIMED -> CLOSED: the meter may be visited by somebody else. False: it was lost before."""
    return (
        MeterSession.objects.filter(pk=session_id, state=SessionState.CLAIMED).update(
            state=SessionState.CLOSED, closed_at=Now(), **statistics
        )
        == 1
    )


# --- API and operators ---------------------------------------------------------------------------------


def cancel(request_id: int) -> bool:
    """SCHEDULED, QUEUED or RETRYING -> CANCELLED. False: it is running or final."""
    return (
        Request.objects.filter(pk=request_id, state__in=(RequestState.SCHEDULED, *DUE_STATES)).update(
            state=RequestState.CANCELLED, completed_at=Now()
        )
        == 1
    )


# --- Requests that need no meter -----------------------------------------------------------------------


def due_platform_requests() -> QuerySet[Request]:
    """Due requests that only change the platform."""
    return due_requests().filter(meter__isnull=True)


def start_platform_request(request: Request) -> bool:
    """QUEUED or RETRYING -> RUNNING, within the transaction that also finishes it."""
    started = Request.objects.filter(pk=request.pk, state__in=DUE_STATES).update(
        state=RequestState.RUNNING, attempts=F("attempts") + 1, started_at=Coalesce("started_at", Now())
    )
    return started == 1


# --- Helpers -------------------------------------------------------------------------------------------


def _give_up_actions(request_ids: list[int], fault: Mapping[str, Any]) -> None:
    """Actions without an outcome share the fate of their request; what was under way is UNKNOWN."""
    if not request_ids:
        return
    open_actions = Action.objects.filter(
        request__in=request_ids, state__in=(ActionState.PENDING, ActionState.STARTED)
    )
    open_actions.update(
        state=Case(
            When(state=ActionState.STARTED, then=Value(ActionState.UNKNOWN)), default=Value(ActionState.FAULT)
        ),
        fault=fault,
        finished_at=Now(),
    )
