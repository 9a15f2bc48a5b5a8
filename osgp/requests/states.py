"""Every change of state of requests, actions and sessions, each a conditional UPDATE whose row count counts.

Nothing here trusts that it is alone: any number of dispatchers, workers and API processes run these at the
same time, and hints may be delivered late, twice or never. Times are the database's, so that a worker whose
clock is off neither takes work early nor loses its lease.
"""

import uuid
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Case, F, JSONField, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.functions import Coalesce, Now

from osgp.faults import Component, Fault, FaultCode
from osgp.requests import permits, registry
from osgp.requests.due import DUE_STATES, due_requests
from osgp.requests.models import (
    Action,
    ActionState,
    MeterSession,
    Request,
    RequestState,
    SessionState,
)
from osgp.sql import Statement, later

SESSIONS, REQUESTS, ACTIONS = (model._meta.db_table for model in (MeterSession, Request, Action))

LIVE = (SessionState.OPENED, SessionState.CLAIMED)

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


@dataclass(frozen=True)
class Opened:
    """Sessions opened in one go; ``held_back`` when full networks or cells kept others from being opened."""

    sessions: list[MeterSession]
    held_back: bool


@transaction.atomic
def open_sessions(limit: int) -> Opened:
    """Lease up to ``limit`` meters that have due work and no live session, within their networks' limits.

    Rows are taken with SKIP LOCKED, so dispatchers do not wait for one another. Two of them may still choose
    the same meter through two of its requests: the partial unique index lets only one session in.
    """
    priorities, held_back = permits.choose(limit)
    if not priorities:
        return Opened([], held_back)
    wanted = [
        MeterSession(
            meter_id=meter_id,
            priority=priority,
            opened_at=Now(),
            expires_at=later(settings.OSGP["SESSION_LEASE"]),
        )
        for meter_id, priority in priorities.items()
    ]
    MeterSession.objects.bulk_create(wanted, ignore_conflicts=True)
    opened = set(MeterSession.objects.filter(pk__in=[s.pk for s in wanted]).values_list("pk", flat=True))
    return Opened([session for session in wanted if session.pk in opened], held_back)


def unclaimed_sessions() -> int:
    """Sessions whose hint no worker has taken up yet."""
    return MeterSession.objects.filter(state=SessionState.OPENED).count()


def mark_published(sessions: Iterable[MeterSession]) -> None:
    """Remember when the hints went out, to notice the ones that get lost."""
    MeterSession.objects.filter(pk__in=[session.pk for session in sessions]).update(published_at=Now())


def sessions_without_hint(limit: int) -> list[MeterSession]:
    """OPENED sessions whose hint was never published or not taken up in time."""
    silent = later(-settings.OSGP["HINT_TIMEOUT"])
    return list(
        MeterSession.objects.filter(state=SessionState.OPENED)
        .filter(Q(published_at__lt=silent) | Q(published_at__isnull=True, opened_at__lt=silent))
        .order_by("-priority", "opened_at")[:limit]
    )


def hurry_sessions(limit: int = 200) -> list[MeterSession]:
    """OPENED sessions whose meter has more urgent work by now; their hint is worth publishing again."""
    most_urgent = due_requests().filter(meter=OuterRef("meter")).values("effective_priority")[:1]
    hurried: list[Any] = list(
        MeterSession.objects.filter(state=SessionState.OPENED, priority__lt=9)
        .annotate(wanted=Subquery(most_urgent))
        .filter(wanted__gt=F("priority"))[:limit]
    )
    for session in hurried:
        session.priority = session.wanted
        MeterSession.objects.filter(pk=session.pk, state=SessionState.OPENED).update(priority=session.wanted)
    return hurried


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


_CLAIM = Statement(
    f"""
    UPDATE {SESSIONS} SET state = 'CLAIMED', worker = %s, claimed_at = {{now}}, expires_at = {{later}}
     WHERE id = %s AND token = %s AND state = 'OPENED'
    RETURNING meter_id
    """  # noqa: S608 (table name)
)


def claim(session_id: uuid.UUID, token: uuid.UUID, worker: str) -> int | None:
    """Make an OPENED session this worker's; returns its meter. None: somebody else has it, or it is over."""
    lease = settings.OSGP["SESSION_LEASE"].total_seconds()
    rows = _CLAIM.rows(worker[:100], lease, session_id, token)
    return int(rows[0][0]) if rows else None


def extend(session_ids: Collection[uuid.UUID]) -> set[uuid.UUID]:
    """Extend the leases that are still held; returns them. A session that is missing was lost."""
    held = MeterSession.objects.filter(pk__in=session_ids, state=SessionState.CLAIMED)
    if held.update(expires_at=later(settings.OSGP["SESSION_LEASE"])) == len(session_ids):
        return set(session_ids)
    return set(held.values_list("pk", flat=True))


_TAKE = Statement(
    f"""
    UPDATE {REQUESTS}
       SET state = 'RUNNING', session_id = %s, attempts = attempts + 1,
           started_at = COALESCE(started_at, {{now}})
     WHERE state IN ('QUEUED', 'RETRYING')
       AND EXISTS (SELECT 1 FROM {SESSIONS} WHERE id = %s AND state = 'CLAIMED')
       AND id IN (
           SELECT id FROM (
               SELECT id, crashes, row_number() OVER (
                          ORDER BY CASE crashes WHEN 0 THEN 0 ELSE 1 END, effective_priority DESC, due_at, id
                      ) AS place
                 FROM {REQUESTS}
                WHERE meter_id = %s AND state IN ('QUEUED', 'RETRYING') AND due_at <= {{now}}
                  AND (max_schedule_time IS NULL OR max_schedule_time >= {{now}})
           ) AS due WHERE place = 1 OR (crashes = 0 AND place <= %s))
    """  # noqa: S608 (table names)
)


def take_requests(session_id: uuid.UUID, meter_id: int, limit: int) -> int:
    """Make due requests of the session's meter RUNNING, most urgent first; returns how many.

    A request that killed a worker before is taken alone, after all others: it must not take innocent ones
    with it.
    """
    return _TAKE.count(session_id, session_id, meter_id, limit)


# The request's row is locked, so that it cannot be given to somebody else while its action changes.
_STILL_OURS = f"""
    request_id = (SELECT id FROM {REQUESTS} WHERE id = {ACTIONS}.request_id
                     AND state = 'RUNNING' AND session_id {{is}} %s {{locked}})
"""  # noqa: S608 (table names)
_START_ACTION = Statement(
    f"""
    UPDATE {ACTIONS} SET state = 'STARTED', started_at = {{now}}
     WHERE id = %s AND state = 'PENDING' AND {_STILL_OURS}
    """  # noqa: S608 (table name)
)
_FINISH_ACTION = Statement(
    f"""
    UPDATE {ACTIONS}
       SET state = %s, result = %s, fault = %s, started_at = COALESCE(started_at, {{now}}),
           finished_at = {{now}}
     WHERE id = %s AND state IN ('PENDING', 'STARTED') AND {_STILL_OURS}
    """  # noqa: S608 (table name)
)


def start_action(action_id: int, session_id: uuid.UUID) -> bool:
    """Say that an action that must not be repeated is about to be sent. False: it is not ours any more."""
    return _START_ACTION.count(action_id, session_id) == 1


_FINISH_REQUEST = Statement(
    f"""
    UPDATE {REQUESTS} SET state = %s, fault = %s, completed_at = {{now}}
     WHERE id = %s AND state = 'RUNNING' AND session_id {{is}} %s
    """  # noqa: S608 (table name)
)


def finish_action(
    action_id: int,
    session_id: uuid.UUID | None,
    state: ActionState,
    *,
    result: Mapping[str, Any] | None,
    fault: Mapping[str, Any] | None,
) -> bool:
    """Store the outcome of an action. False: the session was lost meanwhile, somebody else decides."""
    return _FINISH_ACTION.count(str(state), result, fault, action_id, session_id) == 1


def finish_request(
    request_id: int, session_id: uuid.UUID | None, state: RequestState, *, fault: Mapping[str, Any] | None
) -> bool:
    """RUNNING -> SUCCEEDED or FAILED. False: the session was lost meanwhile."""
    return _FINISH_REQUEST.count(str(state), fault, request_id, session_id) == 1


_SUCCEED = Statement(
    f"""
    WITH succeeded AS (
        UPDATE {REQUESTS} SET state = 'SUCCEEDED', fault = NULL, completed_at = {{now}}
         WHERE id = %s AND state = 'RUNNING' AND session_id = %s
        RETURNING id)
    UPDATE {ACTIONS}
       SET state = 'DONE', result = %s, fault = NULL, started_at = COALESCE(started_at, {{now}}),
           finished_at = {{now}}
      FROM succeeded
     WHERE {ACTIONS}.id = %s AND request_id = succeeded.id AND {ACTIONS}.state IN ('PENDING', 'STARTED')
    """  # noqa: S608 (table names)
)


def succeed(request_id: int, action_id: int, session_id: uuid.UUID, result: Mapping[str, Any]) -> bool:
    """The only action of a request is DONE, and with it the request SUCCEEDED, in one go.

    False: the session was lost meanwhile. What most visits end with, so it is one statement where the
    database can (SQLite cannot write within WITH).
    """
    if connection.vendor == "postgresql":
        return _SUCCEED.count(request_id, session_id, result, action_id) == 1
    with transaction.atomic():
        done = finish_action(action_id, session_id, ActionState.DONE, result=result, fault=None)
        return done and finish_request(request_id, session_id, RequestState.SUCCEEDED, fault=None)


def retry_request(
    request_id: int,
    session_id: uuid.UUID | None,
    delay: timedelta,
    *,
    fault: Mapping[str, Any],
    priority: int,
) -> bool:
    """RUNNING -> RETRYING, due after ``delay``.

    False: that would be after its max_schedule_time, or the session was lost meanwhile.
    """
    return (
        Request.objects.filter(
            Q(max_schedule_time__isnull=True) | Q(max_schedule_time__gte=later(delay)),
            pk=request_id,
            state=RequestState.RUNNING,
            session=session_id,
        ).update(state=RequestState.RETRYING, fault=fault, due_at=later(delay), effective_priority=priority)
        == 1
    )


def reopen_actions(request_id: int, session_id: uuid.UUID | None) -> None:
    """Actions whose fault may pass are tried again with the request; the fault stays visible meanwhile."""
    faulty = Action.objects.filter(request=request_id, state=ActionState.FAULT, request__session=session_id)
    faulty.filter(fault__retryable=True).update(state=ActionState.PENDING, finished_at=None)


@transaction.atomic
def fail_request(request_id: int, session_id: uuid.UUID | None, fault: Mapping[str, Any]) -> bool:
    """RUNNING -> FAILED with all actions that have no outcome yet. False: the session was lost meanwhile."""
    failed = finish_request(request_id, session_id, RequestState.FAILED, fault=fault)
    if failed:
        _give_up_actions([request_id], fault)
    return failed


_HAND_BACK = Statement(
    f"""
    UPDATE {REQUESTS} SET state = 'RETRYING', attempts = attempts - 1
     WHERE session_id = %s AND state = 'RUNNING'
    """  # noqa: S608 (table name)
)


def hand_back(session_id: uuid.UUID) -> int:
    """RUNNING -> RETRYING, due as before: the worker ends. Neither an attempt nor a crash; returns how many.

    Outcomes that are known stay; the next visit goes on with what is missing.
    """
    return _HAND_BACK.count(session_id)


_CLOSE = Statement(
    f"""
    UPDATE {SESSIONS}
       SET state = 'CLOSED', closed_at = {{now}}, fault = %s, round_trips = %s, bytes_sent = %s,
           bytes_received = %s
     WHERE id = %s AND state = 'CLAIMED'
    """  # noqa: S608 (table name)
)


def close(
    session_id: uuid.UUID,
    *,
    fault: Mapping[str, Any] | None = None,
    round_trips: int = 0,
    bytes_sent: int = 0,
    bytes_received: int = 0,
) -> bool:
    """CLAIMED -> CLOSED: the meter may be visited by somebody else. False: it was lost before."""
    return _CLOSE.count(fault, round_trips, bytes_sent, bytes_received, session_id) == 1


# --- API and operators ---------------------------------------------------------------------------------


@transaction.atomic
def cancel(request_id: int) -> bool:
    """SCHEDULED, QUEUED or RETRYING -> CANCELLED. False: it is running or final."""
    waiting = Request.objects.filter(pk=request_id, state__in=(RequestState.SCHEDULED, *DUE_STATES))
    cancelled = waiting.update(state=RequestState.CANCELLED, completed_at=Now()) == 1
    if cancelled:
        forget_secrets([request_id])
    return cancelled


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


def forget_secrets(request_ids: list[int]) -> None:
    """Secrets in the parameters of final requests, encrypted as they are, are not kept.

    Belongs into the transaction that makes the requests final. Costs a query only where there are messages
    with secrets to look for.
    """
    with_secrets = [task.message for task in registry.operations() if task.secret_fields()]
    for action in Action.objects.filter(request__in=request_ids, message__in=with_secrets):
        secret = registry.operation(action.message).secret_fields()
        kept = {name: value for name, value in action.parameters.items() if name not in secret}
        Action.objects.filter(pk=action.pk).update(parameters=kept)


def _give_up_actions(request_ids: list[int], fault: Mapping[str, Any]) -> None:
    """Actions without an outcome share the fate of their request; what was under way is UNKNOWN.

    One that met a fault of its own in a former attempt keeps that.
    """
    if not request_ids:
        return
    open_actions = Action.objects.filter(
        request__in=request_ids, state__in=(ActionState.PENDING, ActionState.STARTED)
    )
    open_actions.update(
        state=Case(
            When(state=ActionState.STARTED, then=Value(ActionState.UNKNOWN)), default=Value(ActionState.FAULT)
        ),
        fault=Coalesce("fault", Value(fault, JSONField())),
        finished_at=Now(),
    )
    forget_secrets(request_ids)
