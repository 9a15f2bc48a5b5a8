"""For whom devices count: organisations that may read them, their network, profile and groups."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Protocol

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.accounts.models import DeviceAuthorisation
from osgp.completeness.totals import format_scopes
from osgp.device_groups.models import DeviceGroupMembership
from osgp.readings.rights import READERS
from osgp.sql import is_one_of


class Member(Protocol):
    """What is known of a device."""

    @property
    def pk(self) -> int:
        """Its primary key."""

    @property
    def network_id(self) -> int | None:
        """Its own network."""

    @property
    def gateway__network_id(self) -> int | None:
        """That of its gateway."""

    @property
    def profile(self) -> tuple[str, str]:
        """Name and version of the protocol of the meter that is dialled."""


def find_scopes(devices: Sequence[Member]) -> dict[int, str]:
    """Return the scopes of devices, up to some thousands, as texts. Two statements."""
    keys = [device.pk for device in devices]
    readers: defaultdict[int, set[int]] = defaultdict(set)
    grants = DeviceAuthorisation.objects.filter(
        is_one_of("device", keys), function_group__in=(DeviceFunctionGroup.OWNER, *READERS)
    )
    for key, organisation in grants.values_list("device_id", "organisation_id"):
        readers[key].add(organisation)
    groups: defaultdict[int, dict[int, int]] = defaultdict(dict)
    members = DeviceGroupMembership.objects.filter(is_one_of("device", keys))
    for key, group, organisation in members.values_list("device_id", "group_id", "group__organisation_id"):
        groups[key][group] = organisation
    found = {}
    for device in devices:
        network = device.network_id or device.gateway__network_id
        profile = "-".join(device.profile)
        found[device.pk] = format_scopes(readers[device.pk], network, profile, groups[device.pk])
    return found
