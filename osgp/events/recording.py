"""How events are made, except those of completed requests: triggers make these (completion_events.py)."""

import uuid
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import connection

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.accounts.models import DeviceAuthorisation
from osgp.events.models import Event, EventKind
from osgp.sql import is_one_of


@dataclass(frozen=True)
class Occurrence:
    """Something that happened to a device. ``data`` is JSON without secrets, as it is told to receivers."""

    kind: EventKind
    subject: uuid.UUID
    device_id: int
    device_identification: str
    data: Mapping[str, Any]


def tell_owners(occurrences: Iterable[Occurrence]) -> int:
    """Store an event for each owner of the device of each occurrence; return how many.

    Belongs in the transaction of what it tells of. Raises RuntimeError outside of one.
    """
    if not connection.in_atomic_block:
        raise RuntimeError("an event belongs in the transaction of what it tells of")
    told = list(occurrences)
    owners = _find_owners({occurrence.device_id for occurrence in told})
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


def _find_owners(devices: Collection[int]) -> dict[int, list[int]]:
    grants = DeviceAuthorisation.objects.filter(
        is_one_of("device", devices), function_group=DeviceFunctionGroup.OWNER
    )
    owners: dict[int, list[int]] = {}
    for device, organisation in grants.order_by("pk").values_list("device", "organisation"):
        owners.setdefault(device, []).append(organisation)
    return owners
