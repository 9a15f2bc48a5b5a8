"""Storing alarms: the rows, their groups, and what is told to the owners of the devices, many at a time."""

import hashlib
import itertools
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import F
from django.db.models.functions import Greatest, Least

from osgp.accounts.rights import find_owners
from osgp.alarms.group_order import GroupKey
from osgp.alarms.models import Alarm, AlarmGroup
from osgp.devices.models import Device
from osgp.events.models import EventKind
from osgp.events.recording import Occurrence, tell_owners
from osgp.messages.serializers import utc_text

QUIET = timedelta(hours=1)
"""An alarm that comes this long after the last one of its kind begins another group."""
NO_KNOWN_ALARM = "NONE"
"""The kind of alarms without any bit that has a name."""


@dataclass(frozen=True)
class NewAlarm:
    """An alarm as it was decoded. ``unknown_bits``: register and bit, such as ``1.17``."""

    device: Device
    received_at: datetime
    trigger: str
    alarm_types: Sequence[str] = ()
    registers: Mapping[int, int] = field(default_factory=dict)
    unknown_bits: Sequence[str] = ()
    happened_at: datetime | None = None
    is_verified: bool = False
    push_id: int | None = None
    uid: uuid.UUID = field(default_factory=uuid.uuid4)

    @property
    def kind(self) -> str:
        """What alarms of one group have in common."""
        longest = AlarmGroup._meta.get_field("kind").max_length
        return (", ".join(self.alarm_types) or NO_KNOWN_ALARM)[:longest]


def store(alarms: Sequence[NewAlarm]) -> list[Alarm]:
    """Store alarms and an event for each owner of their devices. Belongs in a transaction.

    Five statements, and one for each kind, owner and network among them.
    """
    if not alarms:
        return []
    owners = find_owners({alarm.device.pk for alarm in alarms})
    groups = _find_groups(alarms, owners)
    rows = Alarm.objects.bulk_create(
        Alarm(
            uid=alarm.uid,
            device=alarm.device,
            group=groups[alarm.uid],
            push_id=alarm.push_id,
            received_at=alarm.received_at,
            happened_at=alarm.happened_at,
            trigger=alarm.trigger,
            alarm_types=list(alarm.alarm_types),
            registers={str(number): value for number, value in alarm.registers.items()},
            unknown_bits=list(alarm.unknown_bits),
            is_verified=alarm.is_verified,
        )
        for alarm in alarms
    )
    tell_owners(
        (
            Occurrence(
                EventKind.ALARM_RECEIVED,
                row.uid,
                row.device_id,
                row.device.identification,
                describe(row),
            )
            for row in rows
        ),
        owners,
    )
    return rows


def describe(alarm: Alarm) -> dict[str, Any]:
    """Return what is told of an alarm: in notifications, on the live stream and in the REST API."""
    return {
        "alarm_uid": str(alarm.uid),
        "device_identification": alarm.device.identification,
        "received_at": utc_text(alarm.received_at),
        "happened_at": None if alarm.happened_at is None else utc_text(alarm.happened_at),
        "trigger": alarm.trigger,
        "alarm_types": alarm.alarm_types,
        "unknown_bits": alarm.unknown_bits,
        "is_verified": alarm.is_verified,
    }


def _find_groups(
    alarms: Sequence[NewAlarm], owners: Mapping[int, Sequence[int]]
) -> dict[uuid.UUID, AlarmGroup]:
    """Return the group of each alarm by its UID; the groups are counted up, or made."""
    keys: dict[uuid.UUID, GroupKey] = {
        alarm.uid: GroupKey(
            next(iter(owners.get(alarm.device.pk, ())), None),
            alarm.device.network_id,
            alarm.kind,
        )
        for alarm in alarms
    }
    _take_turns(set(keys.values()))
    found: dict[uuid.UUID, AlarmGroup] = {}
    # In one order for all processes, so that none waits for another in a circle (group_order.py).
    ordered = sorted(alarms, key=lambda alarm: (keys[alarm.uid].place, alarm.received_at))
    for key, of_key in itertools.groupby(ordered, key=lambda alarm: keys[alarm.uid]):
        for run in _split(of_key):
            group = _join(key, run[0].received_at, run[-1].received_at, len(run))
            found |= {alarm.uid: group for alarm in run}
    return found


def _take_turns(keys: Iterable[GroupKey]) -> None:
    """Wait until no other process stores alarms of these owners, networks and kinds.

    Two that find no group to join would each make one, and a storm would be two lines.
    """
    if connection.vendor != "postgresql":
        return
    numbers = sorted(
        int.from_bytes(hashlib.blake2b(repr(tuple(key)).encode(), digest_size=8).digest(), signed=True)
        for key in keys
    )
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(number) FROM unnest(%s::bigint[]) AS number", [numbers])


def _split(alarms: Iterable[NewAlarm]) -> Iterator[list[NewAlarm]]:
    """Split alarms of one kind, in the order of time, where it was quiet for long."""
    run: list[NewAlarm] = []
    for alarm in alarms:
        if run and alarm.received_at - run[-1].received_at >= QUIET:
            yield run
            run = []
        run.append(alarm)
    yield run


def _join(key: GroupKey, first: datetime, last: datetime, number: int) -> AlarmGroup:
    organisation_id, network_id, kind = key
    group = (
        AlarmGroup.objects.filter(
            organisation=organisation_id,
            network=network_id,
            kind=kind,
            last_at__gt=first - QUIET,
            # Listeners deliver what they could not store late; it does not belong to what came long after it.
            first_at__lt=last + QUIET,
        )
        .order_by("-last_at")
        .first()
    )
    if group is None:
        return AlarmGroup.objects.create(
            organisation_id=organisation_id,
            network_id=network_id,
            kind=kind,
            first_at=first,
            last_at=last,
            number=number,
            unacknowledged=number,
        )
    AlarmGroup.objects.filter(pk=group.pk).update(
        number=F("number") + number,
        unacknowledged=F("unacknowledged") + number,
        first_at=Least("first_at", first),
        last_at=Greatest("last_at", last),
    )
    return group
