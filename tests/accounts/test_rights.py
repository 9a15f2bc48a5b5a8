"""An organisation sees only what it was granted."""

import pytest
from pytest_django import DjangoAssertNumQueries

from osgp.accounts import rights
from osgp.accounts.functions import DeviceFunctionGroup
from osgp.accounts.models import Organisation
from osgp.devices.models import Device
from tests.factories import grant, make_device

Group = DeviceFunctionGroup
MONITORING = frozenset({Group.MONITORING})


@pytest.fixture
def other_device(other_organisation: Organisation) -> Device:
    return make_device("E0000000000000002", owner=other_organisation)


def test_devices_of_others_are_not_visible(
    organisation: Organisation, other_organisation: Organisation, device: Device, other_device: Device
) -> None:
    assert list(rights.list_visible_devices(organisation)) == [device]
    assert list(rights.list_visible_devices(other_organisation)) == [other_device]


def test_a_device_with_several_grants_is_listed_once(organisation: Organisation, device: Device) -> None:
    grant(organisation, device, Group.MONITORING, Group.FIRMWARE)
    assert list(rights.list_visible_devices(organisation)) == [device]


@pytest.mark.parametrize("group", Group.values)
def test_any_grant_makes_a_device_visible(
    organisation: Organisation, other_device: Device, group: str
) -> None:
    grant(organisation, other_device, group)
    assert list(rights.list_visible_devices(organisation)) == [other_device]


@pytest.mark.parametrize("group", Group.values)
def test_an_owner_may_do_everything(organisation: Organisation, device: Device, group: str) -> None:
    assert rights.is_granted(organisation, device, {Group(group)})
    assert rights.is_owner(organisation, device)


def test_monitoring_reads_without_owning(organisation: Organisation, other_device: Device) -> None:
    grant(organisation, other_device, Group.MONITORING)
    assert rights.is_granted(organisation, other_device, MONITORING)
    assert not rights.is_granted(organisation, other_device, {Group.CONFIGURATION, Group.AD_HOC})
    assert not rights.is_granted(organisation, other_device, ())
    assert not rights.is_owner(organisation, other_device)
    assert list(rights.list_granted_devices(organisation, MONITORING)) == [other_device]
    assert not rights.list_granted_devices(organisation, {Group.OWNER}).exists()


def test_a_grant_counts_for_its_device_and_organisation_alone(
    organisation: Organisation, other_organisation: Organisation, device: Device, other_device: Device
) -> None:
    grant(organisation, other_device, Group.FIRMWARE)
    assert not rights.is_granted(organisation, other_device, MONITORING)
    assert not rights.is_granted(other_organisation, device, set(Group))


def test_deciding_costs_one_query(
    organisation: Organisation, device: Device, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(1):
        rights.is_granted(organisation, device, MONITORING)
    with django_assert_num_queries(1):
        list(rights.list_visible_devices(organisation))
