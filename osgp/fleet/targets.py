"""The devices of a batch: found in bulk, and split into those that can carry it out and the others.

Other packages register how the devices of further sources are found.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import NamedTuple

from django.db.models import Prefetch, QuerySet

from osgp.accounts.models import Organisation
from osgp.accounts.rights import list_grants
from osgp.batches.models import Batch, BatchSource, RecurringRequest
from osgp.device_groups import groups
from osgp.devices.models import Device
from osgp.faults import Fault
from osgp.fleet.contents import Content, Recipient
from osgp.requests.models import Request, RequestState
from osgp.requests.queries import GrantedDevice
from osgp.sql import is_one_of

PER_QUERY = 2000
"""Devices per query; SQLite takes 32,766 parameters."""

_LOOKED_AT = (
    "identification",
    "device_type",
    "protocol_name",
    "protocol_version",
    "network_address",
    "announced_address",
    "channel",
    "communication_method",
    "polyphase",
    "time_zone",
    "gateway",
)


class RefusedDevice(NamedTuple):
    """A device that cannot carry out the message; ``position`` is its place among the requested devices."""

    position: int
    identification: str
    fault: Fault


class CheckedDevices(NamedTuple):
    """The devices that get the message, in order, and the refused ones."""

    recipients: list[Recipient]
    refused: list[RefusedDevice]


class NextDevices(NamedTuple):
    """The next devices of a batch by their primary keys, in order.

    All devices up to ``cursor`` have been looked at by then: it is at least the last key, and also moves over
    devices to which nothing has to be sent.
    """

    keys: list[int]
    cursor: int
    is_last: bool
    """Whether there are no devices behind the cursor."""


Finder = Callable[[Batch, int], NextDevices]
"""Finds up to so many next devices of a batch, in the transaction in which their requests are made."""
_finders: dict[str, Finder] = {}


def register_source(source: BatchSource, finder: Finder) -> None:
    """Have the devices of batches of a source found by an upper package."""
    _finders[source] = finder


def find_next(batch: Batch, limit: int) -> NextDevices:
    """Return up to ``limit`` next devices of a batch, above its cursor."""
    if batch.source in _finders:
        return _finders[batch.source](batch, limit)
    keys = _list_next_keys(batch, limit)
    return NextDevices(keys, keys[-1] if keys else batch.cursor, len(keys) < limit)


def find_by_identification(
    organisation: Organisation, identifications: Collection[str]
) -> dict[str, GrantedDevice]:
    """Return those of the devices that the organisation may see, with its grants: two queries per 2,000."""
    wanted = list(identifications)
    found: dict[str, GrantedDevice] = {}
    for start in range(0, len(wanted), PER_QUERY):
        devices = _select_devices().filter(identification__in=wanted[start : start + PER_QUERY])
        found |= _add_grants(organisation, devices)
    return found


def check_devices(
    content: Content, identifications: Iterable[str], granted: Mapping[str, GrantedDevice]
) -> CheckedDevices:
    """Sort devices by whether they can carry out the message, and the organisation may have it done."""
    checked = CheckedDevices([], [])
    for position, identification in enumerate(identifications):
        try:
            checked.recipients.append(content.check_device(identification, granted.get(identification)))
        except Fault as fault:
            checked.refused.append(RefusedDevice(position, identification, fault))
    return checked


def check_keys(content: Content, organisation: Organisation, keys: Collection[int]) -> CheckedDevices:
    """The same for devices by their primary keys, ``PER_QUERY`` at most."""
    devices = list(_select_devices().filter(is_one_of("pk", keys)).order_by("pk"))
    granted = _add_grants(organisation, devices)
    return check_devices(content, [device.identification for device in devices], granted)


def _list_next_keys(batch: Batch, limit: int) -> list[int]:
    if batch.source == BatchSource.RETRY and batch.retry_of_id is not None:
        failed = Request.objects.filter(
            batch=batch.retry_of_id, state=RequestState.FAILED, device__gt=batch.cursor
        )
        rows = failed.order_by("device_id").values_list("device_id", flat=True)
        return [key for key in rows[:limit] if key is not None]
    if batch.group_id is not None:
        return groups.list_member_keys(batch.group_id, batch.cursor, limit)
    if batch.recurring_id is not None:
        chosen = RecurringRequest.devices.through.objects.filter(
            recurringrequest_id=batch.recurring_id, device_id__gt=batch.cursor
        )
        return list(chosen.order_by("device_id").values_list("device_id", flat=True)[:limit])
    return []


def _select_devices() -> QuerySet[Device]:
    """Gateways are looked up by themselves: right after a fleet was added, PostgreSQL joined devices with
    gateways by reading all devices for each device.
    """
    gateways = Device.objects.only(
        "identification",
        "network_address",
        "announced_address",
        "protocol_name",
        "protocol_version",
        "time_zone",
    )
    return Device.objects.only(*_LOOKED_AT).prefetch_related(Prefetch("gateway", gateways))


def _add_grants(organisation: Organisation, devices: Iterable[Device]) -> dict[str, GrantedDevice]:
    by_key = {device.pk: device for device in devices}
    groups_of: dict[int, set[str]] = {}
    grants = list_grants(organisation.pk, by_key)
    for key, group in grants.values_list("device_id", "function_group"):
        groups_of.setdefault(key, set()).add(group)
    return {
        by_key[key].identification: GrantedDevice(by_key[key], frozenset(granted))
        for key, granted in groups_of.items()
    }
