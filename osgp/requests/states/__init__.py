"""Every change of state of requests, actions and meter sessions: conditional UPDATEs that check row counts.

Any number of dispatchers, workers and API processes call these functions at the same time, and hints may
arrive late, twice or never. Times are those of the database, so that a worker with a wrong clock neither
takes requests early nor loses its lease. Where a request becomes final, a trigger of the database stores an
event (osgp/requests/completion_events.py).
"""

from osgp.requests.states.dispatching import (
    OpenedSessions,
    fail_overdue,
    find_sessions_without_hint,
    hurry_sessions,
    mark_published,
    open_sessions,
    put_in_slow_lane,
    reap,
)
from osgp.requests.states.ending import (
    Success,
    cancel,
    fail_request,
    fail_running,
    finish_action,
    finish_request,
    forget_secrets,
    keep_partial_result,
    reopen_actions,
    retry_request,
    retry_requests,
    start_action,
    succeed,
)
from osgp.requests.states.lost_answers import (
    hand_back_claim,
    has_outcome,
    has_partial_result,
    is_settled,
    is_started,
)
from osgp.requests.states.platform import (
    ChosenRequest,
    choose_platform_request,
    find_chosen_platform_request,
    find_due_platform_requests,
    leave_platform_request,
    start_platform_request,
)
from osgp.requests.states.scheduled import queue_scheduled
from osgp.requests.states.tables import LIVE
from osgp.requests.states.visiting import (
    ClaimedMeter,
    claim,
    claim_and_take,
    close,
    close_after_success,
    extend,
    hand_back,
    leave_slow_lane,
    note_failure,
    postpone_suspects,
    take_more_urgent,
    take_requests,
)

__all__ = [
    "LIVE",
    "ChosenRequest",
    "ClaimedMeter",
    "OpenedSessions",
    "Success",
    "cancel",
    "choose_platform_request",
    "claim",
    "claim_and_take",
    "close",
    "close_after_success",
    "extend",
    "fail_overdue",
    "fail_request",
    "fail_running",
    "find_chosen_platform_request",
    "find_due_platform_requests",
    "find_sessions_without_hint",
    "finish_action",
    "finish_request",
    "forget_secrets",
    "hand_back",
    "hand_back_claim",
    "has_outcome",
    "has_partial_result",
    "hurry_sessions",
    "is_settled",
    "is_started",
    "keep_partial_result",
    "leave_platform_request",
    "leave_slow_lane",
    "mark_published",
    "note_failure",
    "open_sessions",
    "postpone_suspects",
    "put_in_slow_lane",
    "queue_scheduled",
    "reap",
    "reopen_actions",
    "retry_request",
    "retry_requests",
    "start_action",
    "start_platform_request",
    "succeed",
    "take_more_urgent",
    "take_requests",
]
