"""How entries of the audit trail are made."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection

from osgp import request_id
from osgp.audit.context import LONGEST_ACTOR, find_actor
from osgp.audit.models import AuditEntry, AuditEvent
from osgp.sql import Statement

PLATFORM = "platform"
"""The actor of what nobody asked for."""

_COLUMNS = (
    "event, organisation_identification, actor, device_identification, correlation_uid, address, request_id, "
    "details"
)
# A statement of its own: an INSERT by the ORM takes a tenth of the time of a whole POST.
_INSERT = Statement(
    f"INSERT INTO {AuditEntry._meta.db_table} (at, {_COLUMNS}) "  # noqa: S608 (names of the model)
    "VALUES ({now}, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING id"
)
# One entry for each caller who fetches something, however often.
_INSERT_FIRST = Statement(
    f"INSERT INTO {AuditEntry._meta.db_table} (at, {_COLUMNS}) "  # noqa: S608 (likewise)
    "SELECT {now}, %s, %s, %s, %s, %s, %s, %s, %s "
    f"WHERE NOT EXISTS (SELECT 1 FROM {AuditEntry._meta.db_table} "
    "WHERE correlation_uid = %s AND event = %s AND actor = %s AND organisation_identification = %s)",
    prepared=False,
)


def record(
    event: AuditEvent,
    *,
    organisation: str | None = None,
    actor: str | None = None,
    device: str = "",
    correlation_uid: UUID | None = None,
    details: Mapping[str, Any] | None = None,
) -> int:
    """Add an entry, in the transaction of what it tells of: either both are stored or neither.

    ``organisation`` and ``device`` are identifications, ``actor`` is the application or the person; unless
    given, they are those on whose behalf this thread works (context.py). What the platform did by itself is
    of no organisation (empty). ``details`` is JSON without any secret.

    Returns the id of the entry. Raises RuntimeError outside of a transaction.
    """
    if not connection.in_atomic_block:
        raise RuntimeError("an audit entry belongs in the transaction of what it tells of")
    row = _make_row(event, organisation, actor, device, correlation_uid, details)
    return int(_INSERT.fetch_rows(*row)[0][0])


@dataclass(frozen=True)
class Subject:
    """What one of many entries is about."""

    organisation: str
    device: str
    correlation_uid: UUID | None
    details: Mapping[str, Any]


def record_many(event: AuditEvent, subjects: Iterable[Subject]) -> None:
    """As ``record``, an entry for each subject, in one statement."""
    if not connection.in_atomic_block:
        raise RuntimeError("audit entries belong in the transaction of what they tell of")
    entries = []
    for each in subjects:
        row = _make_row(event, each.organisation, None, each.device, each.correlation_uid, each.details)
        [kind, organisation, actor, device, uid, address, called, details] = row
        entries.append(
            AuditEntry(
                event=kind,
                organisation_identification=organisation,
                actor=actor,
                device_identification=device,
                correlation_uid=uid,
                address=address,
                request_id=called,
                details=json.loads(details),
            )
        )
    AuditEntry.objects.bulk_create(entries)


def record_first(
    event: AuditEvent, *, correlation_uid: UUID, device: str, details: Mapping[str, Any]
) -> bool:
    """As ``record``, unless there is such an entry of this actor; return whether there was none."""
    row = _make_row(event, None, None, device, correlation_uid, details)
    [_, organisation, actor, *_] = row
    return _INSERT_FIRST.execute(*row, correlation_uid, event.value, actor, organisation) > 0


def _make_row(
    event: AuditEvent,
    organisation: str | None,
    actor: str | None,
    device: str,
    correlation_uid: UUID | None,
    details: Mapping[str, Any] | None,
) -> tuple[Any, ...]:
    acting = find_actor()
    told = dict(details or {})
    if acting is not None:
        told = {**acting.details, **told}
        actor = acting.name if actor is None else actor
        organisation = acting.organisation if organisation is None else organisation
        correlation_uid = correlation_uid or acting.correlation_uid
    return (
        event.value,
        organisation or "",
        (actor or PLATFORM)[:LONGEST_ACTOR],
        device,
        correlation_uid,
        acting.address if acting is not None else "",
        request_id.current(),
        _write(told),
    )


def _write(details: Mapping[str, Any]) -> str:
    """Return JSON that every database takes: PostgreSQL has no text with NUL, nor halves of characters."""
    text = json.dumps(details, default=str)
    if "\\u0000" in text or "\\ud" in text:
        return json.dumps(_clean(json.loads(text)))
    return text


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\0", "\ufffd").encode(errors="replace").decode()
    if isinstance(value, list):
        return [_clean(item) for item in value]
    if isinstance(value, dict):
        return {_clean(name): _clean(item) for name, item in value.items()}
    return value
