"""What a call did whose answer was lost, because the connection to the database was.

Only the visit that holds a session changes its requests while these are RUNNING in it, and the reaper, which
takes the session with them. So what has changed in a session that is held was changed by its visit.
"""

import time
import uuid
from datetime import timedelta

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from osgp.requests.models import Action, ActionState, MeterSession, Request, RequestState, SessionState
from osgp.requests.states.transitions import SessionTransitions
from osgp.requests.states.visiting import hand_back
from osgp.state_tables import apply

ROUNDING = timedelta(milliseconds=1)
"""Of the database's times."""


def is_started(action_id: int, session_id: uuid.UUID) -> bool:
    """Whether ``start_action`` did its work for an action that was PENDING when the session took it."""
    return _find_actions(action_id, session_id).filter(state=ActionState.STARTED).exists()


def has_outcome(action_id: int, session_id: uuid.UUID) -> bool:
    """Whether ``finish_action`` did its work, while the request goes on."""
    unfinished = (ActionState.PENDING, ActionState.STARTED)
    return _find_actions(action_id, session_id).exclude(state__in=unfinished).exists()


def _find_actions(action_id: int, session_id: uuid.UUID) -> QuerySet[Action]:
    return Action.objects.filter(
        pk=action_id, request__session=session_id, request__state=RequestState.RUNNING
    )


def is_settled(request_id: int, session_id: uuid.UUID) -> bool:
    """Whether the session itself finished a request that it took, or had it wait for another attempt."""
    settled = Request.objects.filter(
        pk=request_id, session=session_id, session__state=SessionState.CLAIMED
    ).exclude(state=RequestState.RUNNING)
    return settled.exists()


@transaction.atomic
def hand_back_claim(session_id: uuid.UUID, worker: str, since: float) -> bool:
    """Close a session that ``worker`` claimed since then (monotonic clock), and hand back what it took.

    False: there was no such claim. Somebody else's, or one that was made before, is left alone.
    """
    session = MeterSession.objects.filter(pk=session_id, worker=worker[:100])
    claimed = session.filter(state=SessionState.CLAIMED)
    found = claimed.values_list("claimed_at", Now()).first()
    # Looked at after the query: by the database's clock, the time cannot have been later than this.
    elapsed = timedelta(seconds=time.monotonic() - since)
    if found is None or found[0] < found[1] - elapsed - ROUNDING:
        return False
    if apply(session, SessionTransitions.CLOSE, closed_at=Now()) != 1:
        return False
    hand_back(session_id)
    return True
