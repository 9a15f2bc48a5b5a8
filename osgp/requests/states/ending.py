"""Transitions that end actions and requests, or plan another attempt."""

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Q
from django.db.models.functions import Now

from osgp.messages import registry
from osgp.messages.operation import OutcomeUnknown
from osgp.requests.models import Action, ActionState, Request, RequestState
from osgp.requests.states.tables import ACTIONS, REQUESTS
from osgp.requests.states.transitions import ActionTransitions, RequestTransitions
from osgp.sql import Statement, add_to_now, parse_json
from osgp.state_tables import Transition, apply

_START, _FINISH, _SUCCESS = ActionTransitions.START, ActionTransitions.FINISH, RequestTransitions.SUCCEED
_GIVE_UP, _GIVE_UP_STARTED = ActionTransitions.GIVE_UP, ActionTransitions.GIVE_UP_STARTED
_IS_RUNNING, _IS_DUE = _SUCCESS.sql_sources, RequestTransitions.TAKE.sql_sources
# Locks the row of the request, so that no other visit gets it while its action changes. "|| ''" makes
# PostgreSQL find it by its id: with statistics of a time when nothing ran, it would read all that run.
_STILL_OURS = f"""
    request_id = (SELECT id FROM {REQUESTS} WHERE id = {ACTIONS}.request_id
                     AND state || '' {_IS_RUNNING} AND session_id {{is}} %s {{locked}})
"""  # noqa: S608 (table names)
_START_ACTION = Statement(
    f"""
    UPDATE {ACTIONS} SET state = '{_START.target}', started_at = {{now}}
     WHERE id = %s AND state {_START.sql_sources} AND {_STILL_OURS}
    """  # noqa: S608 (table name)
)


def _build_finish_action(transition: Transition) -> Statement:
    # What is done has a whole result; otherwise what came before, if anything, is all there is.
    partial = "NULL" if transition is _FINISH else "COALESCE(%s, partial_result)"
    return Statement(
        f"""
        UPDATE {ACTIONS}
           SET state = '{transition.target}', partial_result = {partial}, result = %s, fault = %s,
               started_at = COALESCE(started_at, {{now}}), finished_at = {{now}}
         WHERE id = %s AND state {transition.sql_sources} AND {_STILL_OURS}
        """  # noqa: S608 (table name)
    )


def _build_finish_request(transition: Transition) -> Statement:
    return Statement(
        f"""
        UPDATE {REQUESTS} SET state = '{transition.target}', fault = %s, completed_at = {{now}}
         WHERE id = %s AND state || '' {transition.sql_sources} AND session_id {{is}} %s
        """  # noqa: S608 (table name)
    )


_FINISH_ACTION = {
    transition.target: _build_finish_action(transition)
    for transition in (_FINISH, ActionTransitions.FAIL, ActionTransitions.LOSE_TRACK)
}
_FINISH_REQUEST = {
    transition.target: _build_finish_request(transition) for transition in (_SUCCESS, RequestTransitions.FAIL)
}


def start_action(action_id: int, session_id: uuid.UUID) -> bool:
    """PENDING -> STARTED, before an action that must not be repeated is sent. False: the lease was lost."""
    return _START_ACTION.execute(action_id, session_id) == 1


def finish_action(
    action_id: int,
    session_id: uuid.UUID | None,
    state: ActionState,
    *,
    result: Mapping[str, Any] | str | None,
    fault: Mapping[str, Any] | None,
    partial_result: Mapping[str, Any] | str | None = None,
) -> bool:
    """Store the outcome of an action: DONE, FAULT, or UNKNOWN if it was STARTED. Results may be JSON texts.

    ``partial_result`` is what came of the result of one that is not DONE; None: no more than before.
    False: the lease was lost, and another visit decides.
    """
    partial = () if state == _FINISH.target else (partial_result,)
    return _FINISH_ACTION[state].execute(*partial, result, fault, action_id, session_id) == 1


_KEEP_PARTIAL_RESULT = Statement(
    f"""
    UPDATE {ACTIONS} SET partial_result = %s
     WHERE id = %s AND state {_FINISH.sql_sources} AND NOT (partial_result {{is}} %s) AND {_STILL_OURS}
    """  # noqa: S608 (table name)
)


def keep_partial_result(
    action_id: int, session_id: uuid.UUID, partial_result: Mapping[str, Any] | str
) -> bool:
    """Store what came of the result of an action without an outcome, of all attempts.

    False: that is stored already (``has_partial_result``), or the lease was lost.
    """
    return _KEEP_PARTIAL_RESULT.execute(partial_result, action_id, partial_result, session_id) == 1


def finish_request(
    request_id: int, session_id: uuid.UUID | None, state: RequestState, *, fault: Mapping[str, Any] | None
) -> bool:
    """RUNNING -> SUCCEEDED or FAILED. False: the lease was lost."""
    return _FINISH_REQUEST[state].execute(fault, request_id, session_id) == 1


_SUCCEED = Statement(
    f"""
    WITH succeeded AS (
        UPDATE {REQUESTS} SET state = '{_SUCCESS.target}', fault = NULL, completed_at = {{now}}
         WHERE id = %s AND state {_IS_RUNNING} AND session_id = %s
        RETURNING id)
    UPDATE {ACTIONS}
       SET state = '{_FINISH.target}', result = %s, partial_result = NULL, fault = NULL,
           started_at = COALESCE(started_at, {{now}}), finished_at = {{now}}
      FROM succeeded
     WHERE {ACTIONS}.id = %s AND request_id = succeeded.id AND {ACTIONS}.state {_FINISH.sql_sources}
    RETURNING EXISTS (
        SELECT 1 FROM {REQUESTS}
         WHERE meter_id = %s AND state {_IS_DUE} AND due_at <= {{now}})
    """  # noqa: S608 (table names)
)


@dataclass(frozen=True)
class Success:
    """The success of a request; ``more``: whether other requests of its meter may be due."""

    more: bool


def succeed(
    request_id: int, action_id: int, session_id: uuid.UUID, meter_id: int, result: Mapping[str, Any] | str
) -> Success | None:
    """Set a request SUCCEEDED together with its only action, DONE. None: the lease was lost.

    Most visits need this, so it is one statement where the database can (SQLite cannot write within WITH).
    """
    if connection.vendor == "postgresql":
        rows = _SUCCEED.fetch_rows(request_id, session_id, result, action_id, meter_id)
        return Success(more=rows[0][0]) if rows else None
    with transaction.atomic():
        done = finish_action(action_id, session_id, ActionState.DONE, result=result, fault=None)
        finished = done and finish_request(request_id, session_id, RequestState.SUCCEEDED, fault=None)
        return Success(more=True) if finished else None


def retry_request(
    request_id: int,
    session_id: uuid.UUID | None,
    delay: timedelta,
    *,
    fault: Mapping[str, Any],
    priority: int,
) -> bool:
    """RUNNING -> RETRYING, due after ``delay``.

    False: that would be after its max_schedule_time, or the lease was lost.
    """
    return retry_requests([request_id], session_id, delay, fault=fault, priority=priority) == 1


def retry_requests(
    request_ids: Collection[int],
    session_id: uuid.UUID | None,
    delay: timedelta,
    *,
    fault: Mapping[str, Any],
    priority: int,
) -> int:
    """``retry_request`` for several requests; return how many are RETRYING now."""
    in_time = Q(max_schedule_time__isnull=True) | Q(max_schedule_time__gte=add_to_now(delay))
    return apply(
        Request.objects.filter(in_time, pk__in=request_ids, session=session_id),
        RequestTransitions.RETRY,
        fault=fault,
        due_at=add_to_now(delay),
        effective_priority=priority,
    )


def reopen_actions(request_ids: Collection[int], session_id: uuid.UUID | None) -> None:
    """FAULT -> PENDING for actions of RETRYING requests whose fault is retryable; the fault stays visible."""
    retried = Action.objects.filter(
        request__in=request_ids, request__session=session_id, request__state=RequestState.RETRYING
    )
    apply(retried.filter(fault__retryable=True), ActionTransitions.REOPEN, finished_at=None)


@transaction.atomic
def fail_request(request_id: int, session_id: uuid.UUID | None, fault: Mapping[str, Any]) -> bool:
    """RUNNING -> FAILED, with all actions that have no outcome yet. False: the lease was lost."""
    failed = finish_request(request_id, session_id, RequestState.FAILED, fault=fault)
    if failed:
        give_up_actions([request_id])
    return failed


_FAIL_RUNNING = Statement(
    f"""
    UPDATE {REQUESTS} SET state = '{RequestTransitions.FAIL.target}', fault = %s, completed_at = {{now}}
     WHERE session_id = %s AND state {_IS_RUNNING}
    RETURNING id
    """  # noqa: S608 (table name)
)


def fail_running(session_id: uuid.UUID, fault: Mapping[str, Any]) -> int:
    """``fail_request`` for all requests that still run in a meter session; return how many.

    Call it in the transaction that closes the session.
    """
    failed = [key for (key,) in _FAIL_RUNNING.fetch_rows(fault, session_id)]
    give_up_actions(failed)
    return len(failed)


@transaction.atomic
def cancel(request_id: int) -> bool:
    """SCHEDULED, QUEUED or RETRYING -> CANCELLED. False: it is running or final."""
    request = Request.objects.filter(pk=request_id)
    cancelled = apply(request, RequestTransitions.CANCEL, completed_at=Now()) == 1
    if cancelled:
        forget_secrets([request_id])
    return cancelled


_WITH_SECRETS = Statement(
    f"SELECT id, message, parameters FROM {ACTIONS} WHERE request_id {{among}} AND message {{among}}"  # noqa: S608
)


def forget_secrets(request_ids: list[int]) -> None:
    """Delete the (encrypted) secrets from the parameters of final requests.

    Call it in the transaction that makes the requests final.
    """
    with_secrets = [operation.message for operation in registry.list_operations() if operation.secret_fields]
    for key, message, parameters in _WITH_SECRETS.fetch_rows(request_ids, with_secrets):
        secret = registry.find_operation(message).secret_fields
        kept = {name: value for name, value in parse_json(parameters).items() if name not in secret}
        Action.objects.filter(pk=key).update(parameters=kept)


_GIVE_UP_ACTIONS = Statement(
    f"""
    UPDATE {ACTIONS}
       SET state = CASE WHEN state {_GIVE_UP_STARTED.sql_sources} THEN '{_GIVE_UP_STARTED.target}'
                        ELSE '{_GIVE_UP.target}' END,
           fault = COALESCE(fault, (SELECT fault FROM {REQUESTS} WHERE id = {ACTIONS}.request_id)),
           finished_at = {{now}}
     WHERE request_id {{among}} AND (state {_GIVE_UP.sql_sources} OR state {_GIVE_UP_STARTED.sql_sources})
    RETURNING id, state
    """  # noqa: S608 (table names)
)


def give_up_actions(request_ids: list[int]) -> None:
    """End the actions without an outcome of FAILED requests: FAULT, or UNKNOWN if STARTED.

    An action keeps its own fault of a former attempt, and otherwise gets that of the request. An UNKNOWN one
    has a fault that says so.
    """
    if not request_ids:
        return
    given_up = _GIVE_UP_ACTIONS.fetch_rows(request_ids)
    unknown = [key for key, state in given_up if state == _GIVE_UP_STARTED.target]
    if unknown:
        causes = Action.objects.filter(pk__in=unknown).values_list("pk", "request__fault")
        for key, cause in list(causes):
            fault = OutcomeUnknown(cause["message"]) if cause else OutcomeUnknown()
            Action.objects.filter(pk=key).update(fault=fault.as_dict())
    forget_secrets(request_ids)
