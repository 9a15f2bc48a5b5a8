"""What a visit does to its session and to the requests that it takes."""

import uuid
from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any

from django.conf import settings

from osgp.requests.models import MeterSession, SessionState
from osgp.requests.states.tables import REQUESTS, SESSIONS
from osgp.sql import Statement, later

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
           ) AS due WHERE (place = 1 AND crashes < %s) OR (crashes = 0 AND place <= %s))
    """  # noqa: S608 (table names)
)


def take_requests(session_id: uuid.UUID, meter_id: int, limit: int, *, suspects: bool = False) -> int:
    """Make due requests of the session's meter RUNNING, most urgent first; returns how many.

    A request that was there when a worker died is taken alone, after all others: it must not take innocent
    ones with it. One that would be given up at the next death is a suspect, and taken only with ``suspects``.
    """
    deaths = settings.OSGP["MAX_CRASHES"] if suspects else settings.OSGP["MAX_CRASHES"] - 1
    return _TAKE.count(session_id, session_id, meter_id, deaths, limit)


_POSTPONE_SUSPECTS = Statement(
    f"""
    UPDATE {REQUESTS} SET due_at = {{later}}
     WHERE meter_id = %s AND state IN ('QUEUED', 'RETRYING') AND due_at <= {{now}} AND crashes >= %s
    """  # noqa: S608 (table name)
)


def postpone_suspects(meter_id: int, delay: timedelta) -> int:
    """Let due suspects of a meter wait, because another one is being carried out; returns how many."""
    return _POSTPONE_SUSPECTS.count(delay.total_seconds(), meter_id, settings.OSGP["MAX_CRASHES"] - 1)


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
