"""Recovering keys from their second place (osgp/devices/key_escrow.py), after a restore of the database.

A meter has the keys of the latest change that was finished, or of one after that which was not. So the
former become ACTIVE, as they were; the latter become NEW, which visits try when the meter turns the ACTIVE
ones down. What the database has got since is left as it is.
"""

import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum

from django.db import transaction

from osgp import platform_time
from osgp.accounts.functions import DeviceFunctionGroup
from osgp.accounts.models import Organisation
from osgp.audit.keeping import record
from osgp.audit.models import AuditEvent
from osgp.devices import generations, invocation_counters, keystore
from osgp.devices.invocation_counters import END, START_OF_NEW_KEY
from osgp.devices.keystore import KeyVersion
from osgp.devices.models import Device, DeviceKey, KeyState, KeyType
from osgp.faults import Component, Fault, FaultCode
from osgp.requests import key_locks


@dataclass(frozen=True)
class EscrowedChange:
    """Keys that a device was given, or was to be given. ``is_active``: the change was finished."""

    change: uuid.UUID
    at: datetime
    is_active: bool
    secrets: Mapping[KeyType, bytes] = field(repr=False)


class Way(Enum):
    """What becomes of the keys of a change."""

    ACTIVE = "are ACTIVE again"
    NEW = "are NEW"
    FINISHED = "were NEW, and are ACTIVE again"


@dataclass(frozen=True)
class Step:
    """What becomes of one change."""

    way: Way
    change: EscrowedChange


@dataclass(frozen=True)
class Recovery:
    """What was done for one device. ``left_out``: older changes that the database does not know either."""

    steps: Sequence[Step]
    left_out: int


@transaction.atomic
def recover(
    identification: str, changes: Iterable[EscrowedChange], *, by: str, dry_run: bool = False
) -> Recovery:
    """Give a device the keys that its meter has, of all changes in the second place. Again: no harm.

    With ``dry_run`` only tell what would be done. Raises Fault 201 for an unknown device, 805 when a stored
    key cannot be read, and a retryable one while a visit changes keys of the device.
    """
    device = Device.objects.filter(identification=identification).first()
    if device is None:
        raise Fault(
            FaultCode.UNKNOWN_DEVICE,
            "There is no such device: it was deleted, or added after the backup.",
            component=Component.SECRET_MANAGEMENT,
        )
    key_locks.require_free(device.pk)
    by_types: dict[tuple[KeyType, ...], list[EscrowedChange]] = defaultdict(list)
    for change in sorted(changes, key=lambda change: change.at):
        by_types[tuple(sorted(change.secrets))].append(change)
    steps: list[Step] = []
    left_out = 0
    for key_types, of_types in by_types.items():
        stored = _Stored.read(device, key_types, of_types)
        planned = _plan(stored, of_types)
        chosen = [step.change for step in planned]
        left_out += sum(not stored.knows(change) and change not in chosen for change in of_types)
        steps += planned
    if not dry_run:
        for step in steps:
            _take(device, step, by)
    return Recovery(steps, left_out)


@dataclass(frozen=True)
class _Stored:
    """Keys of some types of a device, as the database has them."""

    versions: Sequence[KeyVersion] = field(repr=False)
    written_at: Mapping[uuid.UUID, datetime]
    """When changes were, as the second place has it: rows of recovered keys are younger."""

    @classmethod
    def read(
        cls, device: Device, key_types: Collection[KeyType], changes: Sequence[EscrowedChange]
    ) -> "_Stored":
        written_at = {change.change: change.at for change in changes}
        versions = keystore.read_versions(device.pk, list(written_at))
        return cls([version for version in versions if version.key_type in key_types], written_at)

    def find_states(self, change: EscrowedChange) -> set[KeyState]:
        """The states of the keys of a change; an action may have made other keys in another attempt."""
        return {
            version.state
            for version in self.versions
            if version.change == change.change and version.secret == change.secrets[version.key_type]
        }

    def is_active(self, change: EscrowedChange) -> bool:
        """Whether the ACTIVE keys are those of the change, whatever stored them."""
        active = {v.key_type: v.secret for v in self.versions if v.state == KeyState.ACTIVE}
        return active == change.secrets

    def knows(self, change: EscrowedChange) -> bool:
        return self.is_active(change) or bool(self.find_states(change))

    def has_since(self, state: KeyState, change: EscrowedChange) -> bool:
        """Whether a key got into that state after the change."""
        return any(self._find_time(v) > change.at for v in self.versions if v.state == state)

    def _find_time(self, version: KeyVersion) -> datetime:
        written_at = self.written_at.get(version.change) if version.change else None
        return written_at or version.state_changed_at


def _plan(stored: _Stored, in_order: Sequence[EscrowedChange]) -> list[Step]:
    """Choose what becomes of the changes of the same key types, the oldest first; at most one of each way."""
    finished = [change for change in in_order if change.is_active]
    steps = [step for change in finished[-1:] if (step := _plan_finished(stored, change)) is not None]
    after = finished[-1].at if finished else None
    unfinished = [change for change in in_order if after is None or change.at > after]
    # The keys of a finished change are NEW if the database has younger ones: they are the likelier ones.
    is_taken = any(step.way == Way.NEW for step in steps) or any(
        not steps and stored.find_states(change) == {KeyState.NEW} for change in finished[-1:]
    )
    for change in unfinished[-1:]:
        if not (is_taken or stored.knows(change) or stored.has_since(KeyState.NEW, change)):
            steps.append(Step(Way.NEW, change))
    return steps


def _plan_finished(stored: _Stored, change: EscrowedChange) -> Step | None:
    if stored.is_active(change):
        return None
    states = stored.find_states(change)
    is_overtaken = stored.has_since(KeyState.ACTIVE, change)
    if states == {KeyState.NEW} and not is_overtaken:
        # The backup is of a moment in the middle of the change.
        return Step(Way.FINISHED, change)
    if states:
        return None
    if not is_overtaken:
        return Step(Way.ACTIVE, change)
    # Somebody registered other keys, perhaps those that the meter had in the beginning: it will tell.
    return None if stored.has_since(KeyState.NEW, change) else Step(Way.NEW, change)


def _take(device: Device, step: Step, by: str) -> None:
    change = step.change
    if step.way != Way.FINISHED:
        keystore.store_new(device, change.secrets, change=change.change, first_counter=START_OF_NEW_KEY)
    if step.way != Way.NEW:
        keystore.activate_change(device.pk, list(change.secrets), change.change)
    _doubt_counter(device, change)
    owned = Organisation.objects.filter(
        authorisations__device=device, authorisations__function_group=DeviceFunctionGroup.OWNER
    )
    owners = owned.order_by("identification").values_list("identification", flat=True)
    for owner in list(owners) or [""]:
        record(
            AuditEvent.KEYS_RECOVERED,
            organisation=owner,
            actor=by,
            device=device.identification,
            details={
                "key_types": sorted(change.secrets),
                "change": str(change.change),
                "changed_at": change.at.isoformat(),
                "state": str(KeyState.NEW if step.way == Way.NEW else KeyState.ACTIVE),
            },
        )


def _doubt_counter(device: Device, change: EscrowedChange) -> None:
    """The encryption key was used while the database did not have it: nobody knows how often."""
    keys = DeviceKey.objects.filter(
        device=device, change=change.change, state__in=(KeyState.ACTIVE, KeyState.NEW), counter__isnull=False
    )
    age = max(platform_time.now() - change.at, timedelta())
    used = int(age.total_seconds()) * generations.VALUES_PER_SECOND
    for counter_id in keys.values_list("counter", flat=True):
        assert counter_id is not None
        invocation_counters.doubt(counter_id, min(START_OF_NEW_KEY + used, END))
