"""How events are made, except those of completed requests: triggers make these (completion_events.py)."""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection

from osgp.accounts.rights import find_owners
from osgp.events.models import Event, EventKind


@dataclass(frozen=True)
class Occurrence:
    """Something that happened to a device. ``data`` is JSON without secrets, as it is told to receivers."""

    kind: EventKind
    subject: uuid.UUID
    device_id: int
    device_identification: str
    data: Mapping[str, Any]


def tell_owners(occurrences: Iterable[Occurrence], owners: Mapping[int, Sequence[int]] | None = None) -> int:
    """Store an event for each owner of the device of each occurrence; return how many.

    ``owners`` are those of the devices, if the caller has looked them up (accounts.rights.find_owners).
    Belongs in the transaction of what it tells of. Raises RuntimeError outside of one.
    """
    if not connection.in_atomic_block:
        raise RuntimeError("an event belongs in the transaction of what it tells of")
    told = list(occurrences)
    if owners is None:
        owners = find_owners({occurrence.device_id for occurrence in told})
    events = [
        Event(
            organisation_id=organisation,
            kind=occurrence.kind.value,
            subject=occurrence.subject,
            device_identification=occurrence.device_identification,
            data=dict(occurrence.data),
        )
        for occurrence in told
        for organisation in owners.get(occurrence.device_id, ())
    ]
    Event.objects.bulk_create(events)
    return len(events)
