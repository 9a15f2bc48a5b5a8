"""For whom devices count: organisations that may read them, their network, profile and groups."""

from collections import defaultdict
from collections.abc import Sequence

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.accounts.models import DeviceAuthorisation
from osgp.completeness.totals import format_scopes
from osgp.device_groups.models import DeviceGroupMembership
from osgp.devices.models import Device
from osgp.readings.rights import READERS
from osgp.sql import is_one_of


def find_scopes(devices: Sequence[Device]) -> dict[int, str]:
    """Return the scopes of devices (with their gateways), up to some thousands, as texts. Two statements."""
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
        meter = device.gateway or device
        profile = f"{meter.protocol_name}-{meter.protocol_version}"
        network = device.network_id or meter.network_id
        found[device.pk] = format_scopes(readers[device.pk], network, profile, groups[device.pk])
    return found
