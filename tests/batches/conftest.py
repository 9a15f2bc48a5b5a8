"""Fleets that tests of batches address."""

import pytest

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.accounts.models import DeviceAuthorisation, Organisation
from osgp.device_groups.models import DeviceGroup, DeviceGroupMembership
from osgp.devices.models import Device, DeviceType
from osgp.fleet import creation
from tests.factories import make_address


def make_fleet(owner: Organisation, count: int, *, prefix: str = "E") -> list[Device]:
    """Electricity meters that ``owner`` owns."""
    fleet = Device.objects.bulk_create(
        [
            Device(
                identification=f"{prefix}{number:015d}",
                device_type=DeviceType.SMART_METER_E,
                protocol_name="SMR",
                protocol_version="5.1",
                network_address=make_address(number),
            )
            for number in range(count)
        ],
        batch_size=1000,
    )
    DeviceAuthorisation.objects.bulk_create(
        [
            DeviceAuthorisation(organisation=owner, device=device, function_group=DeviceFunctionGroup.OWNER)
            for device in fleet
        ],
        batch_size=1000,
    )
    return fleet


def make_group(owner: Organisation, fleet: list[Device], name: str = "north") -> DeviceGroup:
    group = DeviceGroup.objects.create(organisation=owner, name=name)
    DeviceGroupMembership.objects.bulk_create(
        [DeviceGroupMembership(group=group, device=device) for device in fleet], batch_size=1000
    )
    return group


def create_all() -> int:
    """What the background does; returns the number of slices."""
    slices = 0
    while creation.create_slice():
        slices += 1
    return slices


@pytest.fixture
def fleet(organisation: Organisation) -> list[Device]:
    """Five meters of ``organisation``."""
    return make_fleet(organisation, 5)


@pytest.fixture
def group(organisation: Organisation, fleet: list[Device]) -> DeviceGroup:
    """The group "north" with the fleet in it."""
    return make_group(organisation, fleet)
