"""The list of an organisation's devices, a page at a time: GetDevices."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple

from django.db.models import Exists, OuterRef, QuerySet

from osgp.accounts.models import Organisation
from osgp.accounts.rights import list_visible_devices
from osgp.device_groups.models import DeviceGroup, DeviceGroupMembership
from osgp.devices.models import Device
from osgp.firmware.models import FirmwareVersion
from osgp.firmware.versions import list_current


class ListedDevice(NamedTuple):
    """One device. ``gateway`` is also None when the organisation may not see the gateway."""

    device_identification: str
    device_type: str
    protocol_name: str
    protocol_version: str
    lifecycle_status: str
    gateway: str | None
    channel: int | None
    relay_status: str
    relay_status_as_of: datetime | None
    hls3_active: bool | None
    hls4_active: bool | None
    hls5_active: bool | None
    firmware_versions: Sequence[FirmwareVersion]
    """The current ones."""


class UnknownGroup(LookupError):
    """The organisation has no device group of that name."""

    def __init__(self, name: str, position: int) -> None:
        super().__init__(f"There is no device group {name}.")
        self.position = position


def find_groups(organisation: Organisation, names: Sequence[str]) -> list[DeviceGroup]:
    """Return the organisation's groups of these names. Raises UnknownGroup for the first unknown name."""
    rows = DeviceGroup.objects.filter(organisation=organisation, name__in=names)
    found = {group.name: group for group in rows}
    for position, name in enumerate(names):
        if name not in found:
            raise UnknownGroup(name, position)
    return list(found.values())


def list_devices(
    organisation: Organisation,
    *,
    identifications: Collection[str] | None = None,
    groups: Collection[DeviceGroup] | None = None,
    device_type: str | None = None,
) -> QuerySet[Device]:
    """Return the devices on which the organisation has any grant, by identification.

    Filters, if given: ``identifications``, members of any of ``groups``, ``device_type``.
    """
    rows = list_visible_devices(organisation).order_by("identification")
    if identifications is not None:
        rows = rows.filter(identification__in=identifications)
    if groups is not None:
        member = DeviceGroupMembership.objects.filter(device=OuterRef("pk"), group__in=groups)
        rows = rows.filter(Exists(member))
    if device_type is not None:
        rows = rows.filter(device_type=device_type)
    return rows


def list_page(
    organisation: Organisation, devices: QuerySet[Device], size: int, after: str = ""
) -> tuple[list[ListedDevice], str | None]:
    """Return up to ``size`` of ``devices`` behind ``after``, and the last identification if more follow.

    Three queries, however many devices there are.
    """
    rows = devices.values_list(
        "identification",
        "device_type",
        "protocol_name",
        "protocol_version",
        "lifecycle_status",
        "gateway",
        "channel",
        "relay_status",
        "relay_status_as_of",
        "hls3_active",
        "hls4_active",
        "hls5_active",
        "pk",
    )
    if after:
        rows = rows.filter(identification__gt=after)
    found = list(rows[: size + 1])
    # Joined to the first query, they would make databases read all devices for one page.
    gateways: dict[int | None, str] = dict(
        list_visible_devices(organisation)
        .filter(pk__in={row[5] for row in found if row[5] is not None})
        .values_list("pk", "identification")
    )
    firmware = list_current([row[-1] for row in found[:size]])
    listed = [
        ListedDevice._make((*row[:5], gateways.get(row[5]), *row[6:-1], firmware.get(row[-1], ())))
        for row in found[:size]
    ]
    return listed, listed[-1].device_identification if len(found) > size else None
