"""Storing what was observed, and ending notes."""

import logging
import uuid
from collections.abc import Collection, Iterable

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from osgp.devices.models import Device
from osgp.system_notes.kinds import KINDS
from osgp.system_notes.models import OPEN, SystemNote
from osgp.system_notes.observations import Noticed, Observation

logger = logging.getLogger(__name__)

ADMIN = "ADMIN"
"""What stands in ``resolved_by`` after a change in the admin."""


@transaction.atomic
def keep(
    device_id: int, observations: Iterable[Observation], correlation_uid: uuid.UUID, message: str
) -> None:
    """Store what a request observed of a device: open, renew or resolve its notes.

    Belongs into the transaction that stores the outcome of the request. Doing it again changes nothing.
    """
    for observation in observations:
        # Locked, so that a change of the device is either seen here or finds the note.
        device = (
            Device.objects.select_for_update(no_key=True)
            .filter(pk=device_id, **observation.judged_by)
            .only("pk", "identification")
            .first()
        )
        if device is None:
            continue
        if observation.noticed is None:
            notes = SystemNote.objects.filter(device=device, kind=observation.kind.name)
            _resolve(notes, message)
        else:
            _notice(device, observation.kind.name, observation.noticed, correlation_uid)


def resolve_changed(device: Device, columns: Collection[str], by: str) -> int:
    """Resolve the notes of a device that depend on columns which have changed; return how many.

    ``by`` is the message that changed them, or ADMIN. Belongs into the transaction of the change, after it.
    """
    kinds = [kind.name for kind in KINDS if not set(columns).isdisjoint(kind.judged_by)]
    return _resolve(SystemNote.objects.filter(device=device, kind__in=kinds), by) if kinds else 0


def dismiss(notes: QuerySet[SystemNote]) -> int:
    """Dismiss those notes that are open: they are as they are, and nobody means to change it."""
    return notes.filter(OPEN).update(dismissed_at=timezone.now())


def _resolve(notes: QuerySet[SystemNote], by: str) -> int:
    return notes.filter(resolved_at__isnull=True).update(resolved_at=timezone.now(), resolved_by=by)


def _notice(device: Device, kind: str, noticed: Noticed, correlation_uid: uuid.UUID) -> None:
    now = timezone.now()
    said = {
        "text": noticed.text,
        "what_to_do": noticed.what_to_do,
        "details": dict(noticed.details),
        "last_seen_at": now,
        "last_correlation_uid": correlation_uid,
    }
    note, is_new = SystemNote.objects.select_for_update(no_key=True).get_or_create(
        device=device, kind=kind, resolved_at=None, defaults={**said, "first_seen_at": now}
    )
    if not is_new:
        if note.last_correlation_uid == correlation_uid:
            return
        if note.details != said["details"]:
            is_new = note.dismissed_at is not None
            note.dismissed_at = None
        for name, value in said.items():
            setattr(note, name, value)
        note.count += 1
        note.save(update_fields=[*said, "count", "dismissed_at"])
    if is_new:
        text = f"{noticed.text} {noticed.what_to_do}"
        transaction.on_commit(
            lambda: logger.warning("system note %s of %s: %s", kind, device.identification, text)
        )
