"""Which alarms an organisation sees, and filters that REST, pages and the command line share."""

from collections.abc import Collection
from datetime import datetime

from django.db import connection
from django.db.models import Q, QuerySet, TextField
from django.db.models.functions import Cast

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.accounts.models import Organisation
from osgp.accounts.rights import list_granted_devices
from osgp.alarms.models import Alarm, AlarmGroup

MAY_SEE = frozenset({DeviceFunctionGroup.MANAGEMENT, DeviceFunctionGroup.MONITORING})
"""Beside owners."""
MAY_ACKNOWLEDGE = frozenset({DeviceFunctionGroup.MANAGEMENT})
"""Likewise."""


def list_alarms(
    organisation: Organisation | None, granted_to: Collection[DeviceFunctionGroup] = MAY_SEE
) -> QuerySet[Alarm]:
    """Return the alarms of the devices on which an organisation has one of these groups, or OWNER.

    None: those of all devices.
    """
    if organisation is None:
        return Alarm.objects.all()
    return Alarm.objects.filter(device__in=list_granted_devices(organisation, granted_to))


def filter_alarms(
    alarms: QuerySet[Alarm],
    *,
    devices: Collection[str] = (),
    alarm_types: Collection[str] = (),
    network: str | None = None,
    received_from: datetime | None = None,
    received_until: datetime | None = None,
    acknowledged: bool | None = None,
    verified: bool | None = None,
    unknown_bits: bool | None = None,
    group: int | None = None,
) -> QuerySet[Alarm]:
    """Filter alarms; those of any of several devices or types. ``received_until`` is excluded."""
    if devices:
        alarms = alarms.filter(device__identification__in=devices)
    if alarm_types:
        chosen = Alarm.objects.none()
        for name in alarm_types:
            chosen = chosen | _filter_by_type(alarms, name)
        alarms = chosen
    if network is not None:
        alarms = alarms.filter(device__network__name=network)
    if received_from is not None:
        alarms = alarms.filter(received_at__gte=received_from)
    if received_until is not None:
        alarms = alarms.filter(received_at__lt=received_until)
    if acknowledged is not None:
        alarms = alarms.filter(acknowledged_at__isnull=not acknowledged)
    if verified is not None:
        alarms = alarms.filter(is_verified=verified)
    if unknown_bits is not None:
        none = Q(unknown_bits=[])
        # Written as in the condition of their index, by which the few among millions are found.
        alarms = alarms.filter(~none if unknown_bits else none)
    if group is not None:
        alarms = alarms.filter(group=group)
    return alarms


def _filter_by_type(alarms: QuerySet[Alarm], name: str) -> QuerySet[Alarm]:
    if connection.features.supports_json_field_contains:
        # Answered by an index of PostgreSQL (migration 0002).
        return alarms.filter(alarm_types__contains=[name])
    # No name is a part of another in quotes.
    return alarms.alias(names=Cast("alarm_types", TextField())).filter(names__contains=f'"{name}"')


def list_groups(organisation: Organisation | None) -> QuerySet[AlarmGroup]:
    """Return the groups of alarms of an organisation's own devices. None: all groups."""
    groups = AlarmGroup.objects.select_related("network", "organisation")
    return groups if organisation is None else groups.filter(organisation=organisation)
