"""Telling owners of a device what was noticed of it: as events, for notifications and the live stream."""

import uuid

from osgp.events.models import EventKind
from osgp.events.recording import Occurrence, tell_owners
from osgp.system_notes.models import SystemNote


def tell(note: SystemNote) -> None:
    """Store an event for each owner of the device, in the transaction of the note."""
    subject = uuid.uuid4()
    data = {
        "event_uid": str(subject),
        "device_identification": note.device.identification,
        "kind": note.kind,
        "text": note.text,
        "what_to_do": note.what_to_do,
        "details": note.details,
        "occurred_at": note.last_seen_at.isoformat().replace("+00:00", "Z"),
    }
    tell_owners(
        [Occurrence(EventKind.SYSTEM_EVENT, subject, note.device_id, note.device.identification, data)]
    )
