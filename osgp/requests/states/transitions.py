"""The transitions of requests, actions and meter sessions.

docs/states.md is drawn from these tables.
"""

from osgp.requests.models import ActionState, RequestState, SessionState
from osgp.state_tables import StateTable, Transition

_DUE = (RequestState.QUEUED, RequestState.RETRYING)
_WAITING = (RequestState.SCHEDULED, *_DUE)
_RUNNING = (RequestState.RUNNING,)
_UNFINISHED = (ActionState.PENDING, ActionState.STARTED)


class RequestTransitions(StateTable):
    """Transitions of requests."""

    row = "Request"
    states = RequestState
    initial = {
        RequestState.QUEUED: "accepted, and due at once",
        RequestState.SCHEDULED: "accepted, and due later",
        RequestState.SUCCEEDED: "accepted as a bundle of which its devices can do nothing",
    }

    QUEUE = Transition((RequestState.SCHEDULED,), RequestState.QUEUED, "dispatcher", "its time has come")
    REFUSE = Transition(
        (RequestState.SCHEDULED,),
        RequestState.FAILED,
        "dispatcher",
        "its time has come, but its organisation lost the right to it, or was disabled",
    )
    TAKE = Transition(
        _DUE, RequestState.RUNNING, "visit", "it is due, and the visit holds the session of its meter"
    )
    START = Transition(_DUE, RequestState.RUNNING, "worker", "it is due, and needs no meter")
    SUCCEED = Transition(
        _RUNNING, RequestState.SUCCEEDED, "visit or worker", "it is done; of a bundle, all outcomes are known"
    )
    FAIL = Transition(
        _RUNNING, RequestState.FAILED, "visit or worker", "it met a fault that lasts, or no attempt is left"
    )
    RETRY = Transition(_RUNNING, RequestState.RETRYING, "visit or worker", "it met a fault that may pass")
    HAND_BACK = Transition(
        _RUNNING, RequestState.RETRYING, "visit", "the visit ends before the request was carried out"
    )
    TAKE_BACK = Transition(_RUNNING, RequestState.RETRYING, "dispatcher", "its session is over without it")
    QUARANTINE = Transition(
        _RUNNING, RequestState.FAILED, "dispatcher", "its session was lost, once more than is put up with"
    )
    GIVE_UP = Transition(
        _DUE, RequestState.FAILED, "worker", "it needs no meter, and worker after worker died of it"
    )
    EXPIRE = Transition(_WAITING, RequestState.FAILED, "dispatcher", "its max_schedule_time has passed")
    CANCEL = Transition(
        _WAITING, RequestState.CANCELLED, "organisation", "it is not wanted any more, or its batch is not"
    )


class ActionTransitions(StateTable):
    """Transitions of actions."""

    row = "Action"
    states = ActionState
    initial = {
        ActionState.PENDING: "accepted with its request",
        ActionState.FAULT: "accepted with its bundle, but its device cannot do it",
    }

    START = Transition(
        (ActionState.PENDING,), ActionState.STARTED, "visit", "it must not be repeated, and is sent next"
    )
    FINISH = Transition(_UNFINISHED, ActionState.DONE, "visit or worker", "it is done")
    FAIL = Transition(_UNFINISHED, ActionState.FAULT, "visit", "it met a fault")
    LOSE_TRACK = Transition(
        (ActionState.STARTED,),
        ActionState.UNKNOWN,
        "visit",
        "it was sent, and the meter cannot tell what came of it",
    )
    REOPEN = Transition(
        (ActionState.FAULT,), ActionState.PENDING, "visit", "its fault may pass, and its request is RETRYING"
    )
    GIVE_UP = Transition(
        (ActionState.PENDING,),
        ActionState.FAULT,
        "dispatcher, visit or worker",
        "its request failed before it had an outcome",
    )
    GIVE_UP_STARTED = Transition(
        (ActionState.STARTED,),
        ActionState.UNKNOWN,
        "dispatcher, visit or worker",
        "its request failed after it was sent",
    )


class SessionTransitions(StateTable):
    """Transitions of meter sessions."""

    row = "Meter session"
    states = SessionState
    initial = {SessionState.OPENED: "a meter has due work; it and its endpoint have no other session"}

    CLAIM = Transition((SessionState.OPENED,), SessionState.CLAIMED, "visit", "its hint has arrived")
    CLOSE = Transition((SessionState.CLAIMED,), SessionState.CLOSED, "visit", "it is done with the meter")
    LOSE = Transition(
        (SessionState.OPENED, SessionState.CLAIMED), SessionState.LOST, "dispatcher", "its lease ran out"
    )


FIRST_SESSION_STATE = SessionState.OPENED


def choose_first_state(*, is_due: bool, is_over: bool = False) -> RequestState:
    """Return the state of a new request; ``is_over``: all its actions have their outcome."""
    if is_over:
        return RequestState.SUCCEEDED
    return RequestState.QUEUED if is_due else RequestState.SCHEDULED


def choose_first_action_state(*, is_able: bool) -> ActionState:
    """Return the state of a new action; ``is_able``: its device can do it, as far as the platform knows."""
    return ActionState.PENDING if is_able else ActionState.FAULT
