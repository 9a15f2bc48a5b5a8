"""Requests as the end of a failed visit sees them: those that were to be carried out."""

import uuid
from dataclasses import dataclass
from typing import Any

from osgp.messages.naming import BUNDLE
from osgp.requests.models import RequestState
from osgp.requests.states.tables import REQUESTS
from osgp.sql import Statement, parse_uuid

_COLUMNS = "id, device_id, correlation_uid, message, attempts, bypass_retry, effective_priority"
_RUNNING = Statement(
    f"SELECT {_COLUMNS} FROM {REQUESTS} WHERE session_id = %s AND state = '{RequestState.RUNNING}'"  # noqa: S608
)
_ONE = Statement(f"SELECT {_COLUMNS} FROM {REQUESTS} WHERE id = %s")  # noqa: S608 (table name)


@dataclass(frozen=True, slots=True)
class ConcernedRequest:
    """A request that a visit was to carry out."""

    pk: int
    device_id: int | None
    correlation_uid: uuid.UUID
    message: str
    attempts: int
    bypass_retry: bool
    effective_priority: int

    @property
    def is_bundle(self) -> bool:
        """Whether its actions have outcomes of their own."""
        return self.message == BUNDLE


def list_running(session_id: uuid.UUID) -> list[ConcernedRequest]:
    """List the requests that run in a meter session."""
    return _make(_RUNNING.fetch_rows(session_id))


def list_one(request_id: int) -> list[ConcernedRequest]:
    """List a request, if it still exists."""
    return _make(_ONE.fetch_rows(request_id))


def _make(rows: list[tuple[Any, ...]]) -> list[ConcernedRequest]:
    return [
        ConcernedRequest(pk, device_id, parse_uuid(uid), message, attempts, bool(bypass), priority)
        for pk, device_id, uid, message, attempts, bypass, priority in rows
    ]
