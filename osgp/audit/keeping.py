"""How entries of the audit trail are made."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db import connection

from osgp.audit.models import AuditEntry, AuditEvent


def record(
    event: AuditEvent,
    *,
    organisation: str,
    actor: str,
    device: str = "",
    correlation_uid: UUID | None = None,
    details: Mapping[str, Any] | None = None,
) -> AuditEntry:
    """Add an entry, in the transaction of what it tells of: either both are stored or neither.

    ``organisation`` and ``device`` are identifications, ``actor`` is the application or the person. What the
    platform did by itself is of no organisation (empty).
    ``details`` is JSON without any secret. Raises RuntimeError outside of a transaction.
    """
    if not connection.in_atomic_block:
        raise RuntimeError("an audit entry belongs in the transaction of what it tells of")
    return AuditEntry.objects.create(
        event=event.value,
        organisation_identification=organisation,
        actor=actor,
        device_identification=device,
        correlation_uid=correlation_uid,
        details=dict(details or {}),
    )
