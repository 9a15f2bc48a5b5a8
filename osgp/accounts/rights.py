"""What an organisation may see and do. A device on which it has no grant does not exist for it."""

from collections.abc import Collection

from django.db.models import Exists, F, OuterRef, QuerySet

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.accounts.models import DeviceAuthorisation, Organisation
from osgp.devices.models import Device
from osgp.sql import is_one_of


def list_visible_devices(organisation: Organisation) -> QuerySet[Device]:
    """Return the devices on which the organisation has any grant."""
    return Device.objects.filter(
        Exists(DeviceAuthorisation.objects.filter(device=OuterRef("pk"), organisation=organisation))
    )


def list_grants(organisation_id: int, devices: Collection[int]) -> QuerySet[DeviceAuthorisation]:
    """Return an organisation's grants on up to thousands of devices, given by their primary keys.

    ``+ 0`` hides the organisation from its index: through that, PostgreSQL would read all grants of the
    organisation for each slice of a large fleet.
    """
    grants = DeviceAuthorisation.objects.filter(is_one_of("device", devices))
    return grants.alias(holder=F("organisation") + 0).filter(holder=organisation_id)


def list_granted_devices(
    organisation: Organisation, granted_to: Collection[DeviceFunctionGroup]
) -> QuerySet[Device]:
    """Return the devices on which the organisation has one of these function groups, or OWNER."""
    return Device.objects.filter(
        Exists(
            DeviceAuthorisation.objects.filter(
                device=OuterRef("pk"), organisation=organisation, function_group__in=_add_owner(granted_to)
            )
        )
    )


def is_granted(
    organisation: Organisation, device: Device, granted_to: Collection[DeviceFunctionGroup]
) -> bool:
    """Return whether the organisation has one of these function groups on the device, or OWNER."""
    return DeviceAuthorisation.objects.filter(
        device=device, organisation=organisation, function_group__in=_add_owner(granted_to)
    ).exists()


def find_owners(devices: Collection[int]) -> dict[int, list[int]]:
    """Return the organisations that own devices, by the primary keys of these; the first owner first."""
    grants = DeviceAuthorisation.objects.filter(
        is_one_of("device", devices), function_group=DeviceFunctionGroup.OWNER
    )
    owners: dict[int, list[int]] = {}
    for device, organisation in grants.order_by("pk").values_list("device", "organisation"):
        owners.setdefault(device, []).append(organisation)
    return owners


def is_owner(organisation: Organisation, device: Device) -> bool:
    """Return whether the organisation owns the device; a device may have several owners."""
    return is_granted(organisation, device, ())


def _add_owner(groups: Collection[DeviceFunctionGroup]) -> set[str]:
    return {DeviceFunctionGroup.OWNER.value, *(DeviceFunctionGroup(group).value for group in groups)}
