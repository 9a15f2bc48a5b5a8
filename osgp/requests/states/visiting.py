"""Transitions that a visit makes: its meter session, and the requests that it takes."""

import uuid
from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection, transaction

from osgp.requests import work
from osgp.requests.models import MeterSession, Request, SessionState
from osgp.requests.states.tables import ACTIONS, DEVICES, REQUESTS, SESSIONS
from osgp.requests.states.transitions import ActionTransitions, RequestTransitions, SessionTransitions
from osgp.requests.work import WorkAction
from osgp.sql import Statement, add_to_now

_CLAIMING, _CLOSING = SessionTransitions.CLAIM, SessionTransitions.CLOSE
_TAKING, _HANDING_BACK = RequestTransitions.TAKE, RequestTransitions.HAND_BACK
# "|| ''" makes PostgreSQL find a meter session by its id: it would scan a partial index of live ones if its
# statistics say that the index is almost empty.
_CLAIM = f"""
    UPDATE {SESSIONS}
       SET state = '{_CLAIMING.target}', worker = %s, claimed_at = {{now}}, expires_at = {{later}}
     WHERE id = %s AND token = %s AND state || '' {_CLAIMING.sql_sources}
    RETURNING id, meter_id, endpoint
    """  # noqa: S608 (table name)
_CLAIM_ALONE = Statement(_CLAIM)


class ClaimedMeter(NamedTuple):
    """The meter of a claimed meter session, and the endpoint that the session is a lease on.

    None as the endpoint: a former release has opened the session, and did not say.
    """

    pk: int
    endpoint: str | None


def claim(session_id: uuid.UUID, token: uuid.UUID, worker: str) -> ClaimedMeter | None:
    """OPENED -> CLAIMED; return the meter. None: another worker has the meter, or it is over."""
    rows = _CLAIM_ALONE.fetch_rows(worker[:100], _count_lease_seconds(), session_id, token)
    return ClaimedMeter(*rows[0][1:]) if rows else None


def _count_lease_seconds() -> float:
    return float(settings.OSGP["SESSION_LEASE"].total_seconds())


def extend(session_ids: Collection[uuid.UUID]) -> set[uuid.UUID]:
    """Extend leases; return the meter sessions that are still held. The others were lost."""
    held = MeterSession.objects.filter(pk__in=session_ids, state=SessionState.CLAIMED)
    if held.update(expires_at=add_to_now(settings.OSGP["SESSION_LEASE"])) == len(session_ids):
        return set(session_ids)
    return set(held.values_list("pk", flat=True))


_DUE = f"""
    SELECT id FROM (
        SELECT id, crashes, row_number() OVER (
                   ORDER BY CASE crashes WHEN 0 THEN 0 ELSE 1 END, effective_priority DESC, due_at, id
               ) AS place
          FROM {REQUESTS}
         WHERE meter_id = {{meter}} AND state {_TAKING.sql_sources} AND due_at <= {{now}}
           AND (max_schedule_time IS NULL OR max_schedule_time >= {{now}}){{more_urgent}}
    ) AS due WHERE (place = 1 AND crashes < %s) OR (crashes = 0 AND place <= %s)
    """  # noqa: S608 (table name)
_DUE_OF_SESSION = _DUE.replace("{meter}", "(SELECT meter_id FROM session)").replace("{more_urgent}", "")
# The meter occurs twice in each statement, so that PostgreSQL reads only the requests of this meter, not all
# waiting ones, whatever its statistics say.
_TAKE = f"""
    UPDATE {REQUESTS}
       SET state = '{_TAKING.target}', session_id = %s, attempts = attempts + 1,
           started_at = COALESCE(started_at, {{now}})
     WHERE meter_id = %s AND state {_TAKING.sql_sources}
       AND EXISTS (SELECT 1 FROM {SESSIONS} WHERE id = %s AND state || '' = '{_CLAIMING.target}' {{locked}})
       AND id IN ({_DUE.replace("{meter}", "%s")})
    """  # noqa: S608 (table names)
_TAKE_DUE = Statement(_TAKE.replace("{more_urgent}", ""))
_TAKE_MORE_URGENT = Statement(_TAKE.replace("{more_urgent}", " AND effective_priority > %s"))
_CLAIM_AND_TAKE = Statement(
    f"""
    WITH session AS ({_CLAIM}),
         r AS (
             UPDATE {REQUESTS}
                SET state = '{_TAKING.target}', session_id = session.id, attempts = attempts + 1,
                    started_at = COALESCE(started_at, {{now}})
               FROM session
              WHERE {REQUESTS}.meter_id = (SELECT meter_id FROM session)
                AND {REQUESTS}.state {_TAKING.sql_sources}
                AND {REQUESTS}.id IN ({_DUE_OF_SESSION})
             RETURNING {REQUESTS}.*)
    SELECT session.meter_id, session.endpoint, {work.COLUMNS}
      FROM session
      LEFT JOIN (r JOIN {ACTIONS} a ON a.request_id = r.id AND a.state {ActionTransitions.FINISH.sql_sources}
                   JOIN {DEVICES} d ON d.id = COALESCE(a.device_id, r.meter_id)
                   JOIN {DEVICES} m ON m.id = COALESCE(d.gateway_id, d.id)) ON TRUE
     ORDER BY {work.ORDER}
    """  # noqa: S608 (table names)
)


def take_requests(session_id: uuid.UUID, meter_id: int, limit: int, *, suspects: bool = False) -> int:
    """QUEUED or RETRYING -> RUNNING for due requests of the meter, most urgent first; return how many.

    A request that was running when a worker died is taken alone, after all others, so that another crash does
    not count against them. A suspect, which the next crash would quarantine, is taken only with ``suspects``.
    """
    return _TAKE_DUE.execute(
        session_id, meter_id, session_id, meter_id, _limit_crashes(suspects=suspects), limit
    )


def take_more_urgent(session_id: uuid.UUID, meter_id: int, than: int, limit: int) -> int:
    """``take_requests`` with a priority above ``than``, beside running ones; return how many.

    Takes no request with crashes: that is taken alone.
    """
    return _TAKE_MORE_URGENT.execute(session_id, meter_id, session_id, meter_id, than, 0, limit)


def _limit_crashes(*, suspects: bool) -> int:
    most: int = settings.OSGP["MAX_CRASHES"]
    return most if suspects else most - 1


def claim_and_take(
    session_id: uuid.UUID, token: uuid.UUID, worker: str, limit: int
) -> tuple[ClaimedMeter, list[list[WorkAction]]] | None:
    """``claim`` and ``take_requests``; return the meter, and the actions of each taken request.

    None: another worker has the meter, or it is over. Every visit needs this, so it is one statement where
    the database can (SQLite cannot write within WITH).
    """
    if connection.vendor == "postgresql":
        rows = _CLAIM_AND_TAKE.fetch_rows(
            worker[:100], _count_lease_seconds(), session_id, token, _limit_crashes(suspects=False), limit
        )
        if not rows:
            return None
        # The second of COLUMNS is the key of the action.
        taken = [columns for _, _, *columns in rows if columns[1] is not None]
        return ClaimedMeter(*rows[0][:2]), work.group_actions(session_id, taken)
    with transaction.atomic():
        meter = claim(session_id, token, worker)
        if meter is None:
            return None
        taken_here = take_requests(session_id, meter.pk, limit)
        return meter, work.list_unfinished(session_id) if taken_here else []


_POSTPONE_SUSPECTS = Statement(
    f"""
    UPDATE {REQUESTS} SET due_at = {{later}}
     WHERE meter_id = %s AND state {_TAKING.sql_sources} AND due_at <= {{now}} AND crashes >= %s
    """  # noqa: S608 (table name)
)


def postpone_suspects(meter_id: int, delay: timedelta) -> int:
    """Postpone due suspects of a meter while the worker carries out another one; return how many."""
    return _POSTPONE_SUSPECTS.execute(delay.total_seconds(), meter_id, settings.OSGP["MAX_CRASHES"] - 1)


_HAND_BACK = Statement(
    f"""
    UPDATE {REQUESTS} SET state = '{_HANDING_BACK.target}', attempts = attempts - 1
     WHERE session_id = %s AND state {_HANDING_BACK.sql_sources}
    """  # noqa: S608 (table name)
)


def hand_back(session_id: uuid.UUID) -> int:
    """RUNNING -> RETRYING, due as before, for all requests of a visit that ends early; return how many.

    Counts neither as an attempt nor as a crash. Known outcomes stay; the next visit does the rest.
    """
    return _HAND_BACK.execute(session_id)


_CLOSE = f"""
    UPDATE {SESSIONS}
       SET state = '{_CLOSING.target}', closed_at = {{now}}, fault = %s, round_trips = %s, bytes_sent = %s,
           bytes_received = %s
     WHERE id = %s AND state || '' {_CLOSING.sql_sources}
    RETURNING meter_id
    """  # noqa: S608 (table name)
_CLOSE_ALONE = Statement(_CLOSE)
_MET = f"UPDATE {DEVICES} SET last_success_at = {{now}}, failed_connections = 0, is_slow = %s"  # noqa: S608 (table name)
_MET_ALONE = Statement(f"{_MET} WHERE id = %s")
_CLOSE_AND_MET = Statement(
    f"WITH closed AS ({_CLOSE}) {_MET} FROM closed WHERE {DEVICES}.id = closed.meter_id"
)


def close(
    session_id: uuid.UUID,
    *,
    fault: Mapping[str, Any] | None = None,
    round_trips: int = 0,
    bytes_sent: int = 0,
    bytes_received: int = 0,
) -> bool:
    """CLAIMED -> CLOSED, so that the meter may be visited again. False: the lease was lost before."""
    return bool(_CLOSE_ALONE.fetch_rows(fault, round_trips, bytes_sent, bytes_received, session_id))


def close_after_success(
    session_id: uuid.UUID, *, round_trips: int, bytes_sent: int, bytes_received: int, is_slow: bool = False
) -> bool:
    """``close``, and store that the meter was reached, and its pace. False: the lease was lost before.

    Most visits end with this, so it is one statement where the database can.
    """
    statistics = (round_trips, bytes_sent, bytes_received)
    if connection.vendor == "postgresql":
        return _CLOSE_AND_MET.execute(None, *statistics, session_id, is_slow) == 1
    with transaction.atomic():
        closed = _CLOSE_ALONE.fetch_rows(None, *statistics, session_id)
        return bool(closed) and _MET_ALONE.execute(is_slow, closed[0][0]) == 1


_NOTE_FAILURE = Statement(
    f"""
    UPDATE {DEVICES}
       SET last_failure_at = {{now}}, failed_connections = failed_connections + 1, is_slow = %s
     WHERE id = %s
    """  # noqa: S608 (table name)
)


def note_failure(meter_id: int, *, is_slow: bool) -> None:
    """Note of a meter that a visit to it has failed."""
    _NOTE_FAILURE.execute(is_slow, meter_id)


def leave_slow_lane(meter_id: int) -> int:
    """Have the due requests of a meter wait among those that are not slow; return how many were moved."""
    waiting = Request.objects.filter(meter=meter_id, state__in=_TAKING.sources, in_slow_lane=1)
    return waiting.update(in_slow_lane=0)
