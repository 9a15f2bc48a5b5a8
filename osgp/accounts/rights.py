"""What an organisation may see and do. A device that it was granted nothing on does not exist for it."""

from collections.abc import Collection

from django.db.models import Exists, F, OuterRef, QuerySet

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.accounts.models import DeviceAuthorisation, Organisation
from osgp.devices.models import Device
from osgp.sql import match_keys


def visible_devices(organisation: Organisation) -> QuerySet[Device]:
    """The devices on which the organisation has any grant at all."""
    return Device.objects.filter(
        Exists(DeviceAuthorisation.objects.filter(device=OuterRef("pk"), organisation=organisation))
    )


def grants_on(organisation_id: int, devices: Collection[int]) -> QuerySet[DeviceAuthorisation]:
    """What an organisation was granted on thousands of devices, given by their primary keys.

    ``+ 0`` hides the organisation from its index: by that, all grants of the organisation would be read for
    each slice of a large fleet.
    """
    grants = DeviceAuthorisation.objects.filter(match_keys("device", devices))
    return grants.alias(holder=F("organisation") + 0).filter(holder=organisation_id)


def granted_devices(
    organisation: Organisation, granted_to: Collection[DeviceFunctionGroup]
) -> QuerySet[Device]:
    """The devices on which the organisation may do what these groups may; OWNER may do everything."""
    return Device.objects.filter(
        Exists(
            DeviceAuthorisation.objects.filter(
                device=OuterRef("pk"), organisation=organisation, function_group__in=_with_owner(granted_to)
            )
        )
    )


def is_granted(
    organisation: Organisation, device: Device, granted_to: Collection[DeviceFunctionGroup]
) -> bool:
    """Whether the organisation may do on the device what these groups may; OWNER may do everything."""
    return DeviceAuthorisation.objects.filter(
        device=device, organisation=organisation, function_group__in=_with_owner(granted_to)
    ).exists()


def is_owner(organisation: Organisation, device: Device) -> bool:
    """Whether the organisation owns the device; a device may have several owners."""
    return is_granted(organisation, device, ())


def _with_owner(groups: Collection[DeviceFunctionGroup]) -> set[str]:
    return {DeviceFunctionGroup.OWNER.value, *(DeviceFunctionGroup(group).value for group in groups)}
