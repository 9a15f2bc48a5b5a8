"""Whether a call took effect whose answer was lost with the connection to the database.

While requests are RUNNING in a meter session, only the visit that holds it changes them, and the reaper,
which also ends the session. So a change in a session that is still held was made by its visit.
"""

import time
import uuid
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from osgp.requests.models import Action, ActionState, MeterSession, Request, RequestState, SessionState
from osgp.requests.states.tables import ACTIONS, REQUESTS
from osgp.requests.states.transitions import RequestTransitions, SessionTransitions
from osgp.requests.states.visiting import hand_back
from osgp.sql import Statement
from osgp.state_tables import apply

ROUNDING = timedelta(milliseconds=1)
"""Rounding of times by the database."""
_IS_RUNNING = RequestTransitions.SUCCEED.sql_sources


def is_started(action_id: int, session_id: uuid.UUID) -> bool:
    """Return whether ``start_action`` took effect on an action that was PENDING before."""
    return _find_actions(action_id, session_id).filter(state=ActionState.STARTED).exists()


def has_outcome(action_id: int, session_id: uuid.UUID) -> bool:
    """Return whether ``finish_action`` took effect, while the request is RUNNING."""
    unfinished = (ActionState.PENDING, ActionState.STARTED)
    return _find_actions(action_id, session_id).exclude(state__in=unfinished).exists()


def has_partial_result(
    action_id: int, session_id: uuid.UUID, partial_result: Mapping[str, Any] | str
) -> bool:
    """Return whether ``keep_partial_result`` took effect, while the request is RUNNING."""
    return bool(_HAS_PARTIAL_RESULT.fetch_rows(action_id, session_id, partial_result))


_HAS_PARTIAL_RESULT = Statement(
    f"""
    SELECT 1 FROM {ACTIONS} a JOIN {REQUESTS} r ON r.id = a.request_id
     WHERE a.id = %s AND r.session_id = %s AND r.state {_IS_RUNNING} AND a.partial_result {{is}} %s
    """,  # noqa: S608 (table names)
    prepared=False,
)


def _find_actions(action_id: int, session_id: uuid.UUID) -> QuerySet[Action]:
    return Action.objects.filter(
        pk=action_id, request__session=session_id, request__state=RequestState.RUNNING
    )


def is_settled(request_id: int, session_id: uuid.UUID) -> bool:
    """Return whether the meter session, still held, has finished a request or planned its retry."""
    settled = Request.objects.filter(
        pk=request_id, session=session_id, session__state=SessionState.CLAIMED
    ).exclude(state=RequestState.RUNNING)
    return settled.exists()


@transaction.atomic
def hand_back_claim(session_id: uuid.UUID, worker: str, since: float) -> bool:
    """Close a meter session that ``worker`` claimed after ``since`` (monotonic clock), and hand back its
    requests.

    False: there is no such claim. Claims of other workers, and earlier ones, stay.
    """
    session = MeterSession.objects.filter(pk=session_id, worker=worker[:100])
    claimed = session.filter(state=SessionState.CLAIMED)
    found = claimed.values_list("claimed_at", Now()).first()
    # Measured after the query: by the clock of the database, not more time has passed.
    elapsed = timedelta(seconds=time.monotonic() - since)
    if found is None or found[0] < found[1] - elapsed - ROUNDING:
        return False
    if apply(session, SessionTransitions.CLOSE, closed_at=Now()) != 1:
        return False
    hand_back(session_id)
    return True
