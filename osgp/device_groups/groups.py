"""Groups of devices: who is in them, and putting devices in and out, many thousands at a time."""

from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from django.db import transaction
from django.db.models import QuerySet

from osgp.accounts.models import DeviceAuthorisation, Organisation
from osgp.accounts.rights import grants_on
from osgp.device_groups.models import DeviceGroup, DeviceGroupMembership
from osgp.devices.models import Device
from osgp.sql import Statement, match_keys

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


class Changed(NamedTuple):
    """How many memberships were made or ended, and which identifications mean nothing to the organisation."""

    number: int
    unknown: list[str]


def find(organisation: Organisation, name: str) -> DeviceGroup | None:
    """The organisation's group of that name."""
    return DeviceGroup.objects.filter(organisation=organisation, name=name).first()


def members(group: DeviceGroup) -> QuerySet[Device]:
    """The devices of a group, whether or not its organisation may still see them."""
    return Device.objects.filter(memberships__group=group)


def member_keys(group_id: int, after: int, limit: int) -> list[int]:
    """Primary keys of up to ``limit`` members above ``after``, in order: walks a group of any size."""
    rows = DeviceGroupMembership.objects.filter(group=group_id, device__gt=after).order_by("device_id")
    return list(rows.values_list("device_id", flat=True)[:limit])


@transaction.atomic
def add(group: DeviceGroup, identifications: Iterable[str]) -> Changed:
    """Put devices in; those that are in stay. Devices that the organisation may not see are unknown."""
    count, unknown = 0, []
    for slice_ in _slices(identifications):
        keys = _visible_keys(group.organisation_id, slice_)
        unknown += [identification for identification in slice_ if identification not in keys]
        new = sorted(set(keys.values()) - _present(group, keys.values()))
        DeviceGroupMembership.objects.bulk_create(
            [DeviceGroupMembership(group=group, device_id=key) for key in new], ignore_conflicts=True
        )
        count += len(new)
    return Changed(count, unknown)


def add_all(group: DeviceGroup) -> int:
    """Put in all devices that the organisation may see, in one statement; returns how many were not in."""
    return _ADD_ALL.execute(group.pk, group.organisation_id)


@transaction.atomic
def remove(group: DeviceGroup, identifications: Iterable[str]) -> Changed:
    """Take devices out; those that are not in are unknown."""
    count, unknown = 0, []
    for slice_ in _slices(identifications):
        keys = dict(Device.objects.filter(identification__in=slice_).values_list("identification", "pk"))
        present = _present(group, keys.values())
        unknown += [identification for identification in slice_ if keys.get(identification) not in present]
        DeviceGroupMembership.objects.filter(match_keys("device", present), group=group).delete()
        count += len(present)
    return Changed(count, unknown)


def _visible_keys(organisation_id: int, identifications: list[str]) -> dict[str, int]:
    """Primary keys of the devices that the organisation may see.

    Two look-ups in one table each: their join was planned as a walk through all grants of the organisation
    for each slice.
    """
    devices = Device.objects.filter(identification__in=identifications)
    known = dict(devices.values_list("identification", "pk"))
    visible = set(grants_on(organisation_id, known.values()).values_list("device_id", flat=True))
    return {identification: key for identification, key in known.items() if key in visible}


def _present(group: DeviceGroup, keys: Collection[int]) -> set[int]:
    memberships = DeviceGroupMembership.objects.filter(match_keys("device", keys), group=group)
    return set(memberships.values_list("device_id", flat=True))


def _slices(identifications: Iterable[str]) -> Iterator[list[str]]:
    """Each identification once, in order."""
    rest = iter(dict.fromkeys(identifications))
    while slice_ := list(islice(rest, SLICE)):
        yield slice_
