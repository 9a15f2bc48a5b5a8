"""Groups of devices: their members, and adding and removing many thousands of devices."""

from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from django.db import transaction
from django.db.models import QuerySet

from osgp.accounts.models import DeviceAuthorisation, Organisation
from osgp.accounts.rights import list_grants
from osgp.audit.changes import tell
from osgp.audit.models import AuditEvent
from osgp.device_groups.models import DeviceGroup, DeviceGroupMembership
from osgp.devices.models import Device
from osgp.sql import Statement, is_one_of

SLICE = 1000
"""Devices per statement."""

_ADD_ALL = Statement(
    f"""
    INSERT INTO {DeviceGroupMembership._meta.db_table} (group_id, device_id)
    SELECT DISTINCT CAST(%s AS bigint), device_id
      FROM {DeviceAuthorisation._meta.db_table} WHERE organisation_id = %s
     ORDER BY device_id
        ON CONFLICT DO NOTHING
    """,  # noqa: S608 (table names)
    prepared=False,
)


class MembershipChange(NamedTuple):
    """Number of memberships made or ended, and the identifications that the organisation may not see."""

    number: int
    unknown: list[str]


def find_group(organisation: Organisation, name: str) -> DeviceGroup | None:
    """Return the organisation's group of that name."""
    return DeviceGroup.objects.filter(organisation=organisation, name=name).first()


def list_members(group: DeviceGroup) -> QuerySet[Device]:
    """Return the devices of a group, also those that its organisation may not see any more."""
    return Device.objects.filter(memberships__group=group)


def list_member_keys(group_id: int, after: int, limit: int) -> list[int]:
    """Return primary keys of up to ``limit`` members above ``after``, in order: walks a group of any size."""
    rows = DeviceGroupMembership.objects.filter(group=group_id, device__gt=after).order_by("device_id")
    return list(rows.values_list("device_id", flat=True)[:limit])


@transaction.atomic
def add(group: DeviceGroup, identifications: Iterable[str]) -> MembershipChange:
    """Add devices to a group; members stay. Devices that the organisation may not see count as unknown."""
    count, unknown = 0, []
    for slice_ in _iterate_slices(identifications):
        keys = _find_visible_keys(group.organisation_id, slice_)
        unknown += [identification for identification in slice_ if identification not in keys]
        new = sorted(set(keys.values()) - _find_present(group, keys.values()))
        DeviceGroupMembership.objects.bulk_create(
            [DeviceGroupMembership(group=group, device_id=key) for key in new], ignore_conflicts=True
        )
        count += len(new)
    _tell(group, "added", count)
    return MembershipChange(count, unknown)


def add_all(group: DeviceGroup) -> int:
    """Add all devices that the organisation may see, in one statement; returns how many were added."""
    with transaction.atomic():
        count = _ADD_ALL.execute(group.pk, group.organisation_id)
        _tell(group, "added", count)
    return count


@transaction.atomic
def remove(group: DeviceGroup, identifications: Iterable[str]) -> MembershipChange:
    """Remove devices from a group; devices that are no members count as unknown."""
    count, unknown = 0, []
    for slice_ in _iterate_slices(identifications):
        keys = dict(Device.objects.filter(identification__in=slice_).values_list("identification", "pk"))
        present = _find_present(group, keys.values())
        unknown += [identification for identification in slice_ if keys.get(identification) not in present]
        DeviceGroupMembership.objects.filter(is_one_of("device", present), group=group).delete()
        count += len(present)
    _tell(group, "removed", count)
    return MembershipChange(count, unknown)


def _tell(group: DeviceGroup, verb: str, count: int) -> None:
    if count:
        tell(group, AuditEvent.CHANGED, {"devices": {verb: count}})


def _find_visible_keys(organisation_id: int, identifications: list[str]) -> dict[str, int]:
    """Return primary keys of the devices that the organisation may see.

    Two look-ups in one table each: PostgreSQL planned their join as a walk through all grants of the
    organisation for each slice.
    """
    devices = Device.objects.filter(identification__in=identifications)
    known = dict(devices.values_list("identification", "pk"))
    visible = set(list_grants(organisation_id, known.values()).values_list("device_id", flat=True))
    return {identification: key for identification, key in known.items() if key in visible}


def _find_present(group: DeviceGroup, keys: Collection[int]) -> set[int]:
    memberships = DeviceGroupMembership.objects.filter(is_one_of("device", keys), group=group)
    return set(memberships.values_list("device_id", flat=True))


def _iterate_slices(identifications: Iterable[str]) -> Iterator[list[str]]:
    """Yield each identification once, in order."""
    rest = iter(dict.fromkeys(identifications))
    while slice_ := list(islice(rest, SLICE)):
        yield slice_
