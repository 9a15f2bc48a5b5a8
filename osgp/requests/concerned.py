"""Requests as the end of a failed visit sees them: those that were to be carried out."""

import uuid
from dataclasses import dataclass
from typing import Any

from osgp.requests.models import RequestState
from osgp.requests.states.tables import REQUESTS
from osgp.requests.work import VisitedRequest
from osgp.sql import Statement, parse_uuid

_COLUMNS = "id, correlation_uid, message, attempts, bypass_retry, effective_priority, device_id"
_RUNNING = Statement(
    f"SELECT {_COLUMNS} FROM {REQUESTS} WHERE session_id = %s AND state = '{RequestState.RUNNING}'"  # noqa: S608
)
_ONE = Statement(f"SELECT {_COLUMNS} FROM {REQUESTS} WHERE id = %s")  # noqa: S608 (table name)


@dataclass(frozen=True, slots=True)
class ConcernedRequest(VisitedRequest):
    """A request that a visit was to carry out."""

    device_id: int | None


def list_running(session_id: uuid.UUID) -> list[ConcernedRequest]:
    """List the requests that run in a meter session."""
    return _make(_RUNNING.fetch_rows(session_id))


def list_one(request_id: int) -> list[ConcernedRequest]:
    """List a request, if it still exists."""
    return _make(_ONE.fetch_rows(request_id))


def _make(rows: list[tuple[Any, ...]]) -> list[ConcernedRequest]:
    return [
        ConcernedRequest(pk, parse_uuid(uid), message, attempts, bool(bypass), priority, device_id)
        for pk, uid, message, attempts, bypass, priority, device_id in rows
    ]
