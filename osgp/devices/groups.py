"""Groups of devices: who is in them, and putting devices in and out, many thousands at a time."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from django.db import transaction
from django.db.models import QuerySet

from osgp.accounts.models import Organisation
from osgp.accounts.rights import visible_devices
from osgp.devices.models import Device, DeviceGroup, DeviceGroupMembership

SLICE = 1000
"""Devices per statement."""


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
    known = visible_devices(group.organisation)
    for slice_ in _slices(identifications):
        found = dict(known.filter(identification__in=slice_).values_list("identification", "pk"))
        unknown += [identification for identification in slice_ if identification not in found]
        before = _present(group, found.values())
        DeviceGroupMembership.objects.bulk_create(
            [DeviceGroupMembership(group=group, device_id=key) for key in found.values()],
            ignore_conflicts=True,
        )
        count += len(found) - before
    return Changed(count, unknown)


@transaction.atomic
def remove(group: DeviceGroup, identifications: Iterable[str]) -> Changed:
    """Take devices out; those that are not in are unknown."""
    count, unknown = 0, []
    for slice_ in _slices(identifications):
        rows = DeviceGroupMembership.objects.filter(group=group, device__identification__in=slice_)
        found = dict(rows.values_list("device__identification", "pk"))
        unknown += [identification for identification in slice_ if identification not in found]
        DeviceGroupMembership.objects.filter(pk__in=found.values()).delete()
        count += len(found)
    return Changed(count, unknown)


def _present(group: DeviceGroup, keys: Iterable[int]) -> int:
    return DeviceGroupMembership.objects.filter(group=group, device__in=list(keys)).count()


def _slices(identifications: Iterable[str]) -> Iterator[list[str]]:
    """Each identification once, in order."""
    rest = iter(dict.fromkeys(identifications))
    while slice_ := list(islice(rest, SLICE)):
        yield slice_
