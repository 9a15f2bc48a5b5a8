"""Storing what was observed, and ending notes."""

import logging
import uuid
from collections.abc import Collection, Iterable

from django.db import transaction
from django.db.models import QuerySet

from osgp import platform_time
from osgp.devices.models import Device, KeyType
from osgp.processes.database import AWAY
from osgp.system_notes.announcing import announce
from osgp.system_notes.kinds import KINDS, NoteKind
from osgp.system_notes.models import OPEN, SystemNote
from osgp.system_notes.observations import Noticed, Observation

logger = logging.getLogger(__name__)

ADMIN = "ADMIN"
"""What stands in ``resolved_by`` after a change in the admin."""
NEW_KEYS = "NEW_KEYS"
"""The same after the device got new keys, in whatever way."""


@transaction.atomic
def keep(
    device_id: int, observations: Iterable[Observation], correlation_uid: uuid.UUID | None, message: str
) -> None:
    """Store what was observed of a device: open, renew or resolve its notes, and announce what is new.

    ``correlation_uid`` and ``message`` are those of the request that saw it, None and empty if none did.
    Belongs into the transaction that stores the outcome of the request. Doing it again with the same UID
    changes nothing.
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
            _notice(device, observation.kind, observation.noticed, correlation_uid)


def keep_if_possible(
    device_id: int, observation: Observation, correlation_uid: uuid.UUID | None, message: str
) -> None:
    """As :func:`keep`, within a transaction that matters more than the note: a defect here does not undo it.

    Raises errors only if the database is away.
    """
    try:
        with transaction.atomic():
            keep(device_id, [observation], correlation_uid, message)
    except AWAY:
        raise
    except Exception:
        logger.exception("no note %s of device %d, seen by %s", observation.kind.name, device_id, message)


def resolve_changed(device: Device, columns: Collection[str], by: str) -> int:
    """Resolve the notes of a device that depend on columns which have changed; return how many.

    ``by`` is the message that changed them, or ADMIN. Belongs into the transaction of the change, after it.
    """
    return _resolve_kinds(device.pk, [k for k in KINDS if not set(columns).isdisjoint(k.judged_by)], by)


def resolve_by_keys(device_id: int, key_types: Collection[KeyType]) -> int:
    """Resolve the notes of a device that new ACTIVE keys of these types put right; return how many.

    Belongs into the transaction that makes them ACTIVE.
    """
    return _resolve_kinds(device_id, [kind for kind in KINDS if kind.keys & set(key_types)], NEW_KEYS)


def resolve_reached(device_id: int, by: str) -> int:
    """Resolve the notes of a meter that are about not reaching it; return how many. ``by``: a message."""
    return _resolve_kinds(device_id, [kind for kind in KINDS if kind.until_reached], by)


def dismiss(notes: QuerySet[SystemNote]) -> int:
    """Dismiss those notes that are open: they are as they are, and nobody means to change it."""
    return notes.filter(OPEN).update(dismissed_at=platform_time.now())


def _resolve_kinds(device_id: int, kinds: Collection[NoteKind], by: str) -> int:
    names = [kind.name for kind in kinds]
    return _resolve(SystemNote.objects.filter(device=device_id, kind__in=names), by) if names else 0


def _resolve(notes: QuerySet[SystemNote], by: str) -> int:
    return notes.filter(resolved_at__isnull=True).update(resolved_at=platform_time.now(), resolved_by=by)


def _notice(device: Device, kind: NoteKind, noticed: Noticed, correlation_uid: uuid.UUID | None) -> None:
    now = platform_time.now()
    said = {
        "text": noticed.text,
        "what_to_do": noticed.what_to_do,
        "details": dict(noticed.details),
        "last_seen_at": now,
        "last_correlation_uid": correlation_uid,
    }
    note, is_new = SystemNote.objects.select_for_update(no_key=True).get_or_create(
        device=device, kind=kind.name, resolved_at=None, defaults={**said, "first_seen_at": now}
    )
    if not is_new:
        if correlation_uid is not None and note.last_correlation_uid == correlation_uid:
            return
        is_changed = kind.is_event or note.details != said["details"]
        is_new = kind.is_event or (is_changed and note.dismissed_at is not None)
        if is_changed:
            note.dismissed_at = None
        for name, value in said.items():
            setattr(note, name, value)
        note.count += 1
        note.save(update_fields=[*said, "count", "dismissed_at"])
    if is_new:
        note.device = device
        announce(note)
        text = f"{noticed.text} {noticed.what_to_do}".strip()
        transaction.on_commit(
            lambda: logger.warning("system note %s of %s: %s", kind.name, device.identification, text)
        )
