"""The settings of many devices: those of their models and profiles come with their rows."""

from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery, Value
from django.db.models.functions import Concat

from osgp.devices.meter_settings import MeterSettings
from osgp.devices.models import Device, SettingsKind, SharedSettings
from osgp.devices.settings_resolution import Layers, make_own

COLUMNS = ("own_settings", "with_list_max")
"""What the rows need for it, beside what is joined."""


def join_settings(devices: QuerySet[Device]) -> QuerySet[Device]:
    """Have the devices come with what :func:`resolve_joined` needs, in the same statement."""
    profile = Concat("protocol_name", Value("-"), "protocol_version")
    return devices.annotate(profile_name=profile).annotate(
        settings_of_model=_find(SettingsKind.MODEL, "model"),
        settings_of_profile=_find(SettingsKind.PROFILE, "profile_name"),
    )


def _find(kind: SettingsKind, name: str) -> Subquery:
    found = SharedSettings.objects.filter(kind=kind, name=OuterRef(name)).order_by()
    return Subquery(found.values("settings")[:1])


def resolve_joined(device: Any) -> MeterSettings:
    """Return the settings of a device that came with :func:`join_settings`."""
    own = make_own(device.own_settings, device.with_list_max)
    return Layers(own, device.settings_of_model or {}, device.settings_of_profile or {}).resolve()
