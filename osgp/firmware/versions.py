"""The firmware versions of devices: what was told is kept, what is known is looked up."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import datetime

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from osgp.devices.models import Device
from osgp.firmware.models import FirmwareModuleType, FirmwareVersion
from osgp.sql import is_one_of

ORDER = {module: position for position, module in enumerate(FirmwareModuleType)}
"""As modules are listed."""


@transaction.atomic
def record_versions(device: Device, versions: Mapping[FirmwareModuleType, str], seen_at: datetime) -> None:
    """Keep the versions that a device told at ``seen_at``; modules that are not named stay as they are.

    The same version only moves when it was last seen, another one becomes the current one. So it does not
    matter if the same answer is recorded twice.
    """
    # One writer per device: otherwise two could add the first row of a module.
    Device.objects.select_for_update(no_key=True).values("pk").get(pk=device.pk)
    current = {
        row.module_type: row
        for row in FirmwareVersion.objects.filter(
            device=device, is_current=True, module_type__in=list(versions)
        )
    }
    changed, new = [], []
    for module, version in versions.items():
        known = current.get(module)
        if known is not None and known.version == version:
            same = FirmwareVersion.objects.filter(pk=known.pk, last_seen__lt=seen_at)
            same.update(last_seen=seen_at)
            continue
        since = seen_at
        if known is not None:
            changed.append(known.pk)
            # Clocks of workers differ a little: what is new never begins before what it replaces.
            since = max(seen_at, known.last_seen)
        new.append(
            FirmwareVersion(device=device, module_type=module, version=version, since=since, last_seen=since)
        )
    if changed:
        FirmwareVersion.objects.filter(pk__in=changed).update(is_current=False)
    FirmwareVersion.objects.bulk_create(new)


def list_current(devices: Collection[int]) -> dict[int, list[FirmwareVersion]]:
    """Return the current versions of devices by primary key, in the order of modules. One query."""
    found: defaultdict[int, list[FirmwareVersion]] = defaultdict(list)
    for row in FirmwareVersion.objects.filter(is_one_of("device", devices), is_current=True):
        found[row.device_id].append(row)
    for rows in found.values():
        rows.sort(key=_find_position)
    return dict(found)


def list_history(device: Device) -> list[FirmwareVersion]:
    """Return all versions that a device has had, by module, the latest first."""
    rows = list(FirmwareVersion.objects.filter(device=device).order_by("-since", "-pk"))
    return sorted(rows, key=_find_position)


def filter_by_version(devices: QuerySet[Device], version: str) -> QuerySet[Device]:
    """Return the devices of which a module has this version now."""
    having = FirmwareVersion.objects.filter(device=OuterRef("pk"), version=version, is_current=True)
    return devices.filter(Exists(having))


def _find_position(row: FirmwareVersion) -> int:
    return ORDER[FirmwareModuleType(row.module_type)]
