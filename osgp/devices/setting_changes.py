"""Changes of the settings of a device, or of all devices of a model or profile: checked, and stored."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from osgp import catalogue
from osgp.catalogue.communication import Framing
from osgp.devices.meter_settings import SETTINGS, check_together
from osgp.devices.models import Device, SettingsKind, SharedSettings
from osgp.devices.settings_resolution import NOT_GIVEN, Layers, Values, make_own

Changes = Mapping[str, Any]
"""Values by name of the setting, as in JSON; None: it is not set any more."""
COLUMNS = ("own_settings", "with_list_max")
"""Of a device, in which its own settings are."""
LONGEST_NAME = 255


class InvalidSettings(ValueError):
    """Settings cannot be like that. ``errors``: why, by name of the setting."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__(" ".join(f"{name}: {text}" for name, text in errors.items()))
        self.errors = dict(errors)


def parse(changes: Mapping[str, Any]) -> Changes:
    """Return changes as they are stored. Raises InvalidSettings for unknown names and impossible values."""
    errors, parsed = {}, {}
    for name, value in changes.items():
        setting = SETTINGS.get(name)
        if setting is None:
            errors[name[:64]] = "There is no such setting."
            continue
        try:
            parsed[name] = None if value is None else setting.parse(value)
        except ValueError as error:
            errors[name] = str(error)
    if errors:
        raise InvalidSettings(errors)
    return parsed


def find_layers(device: Device) -> Layers:
    """Return what was given for a device, its model and its profile. One query."""
    profile = f"{device.protocol_name}-{device.protocol_version}"
    names = {SettingsKind.MODEL: device.model, SettingsKind.PROFILE: profile}
    rows = SharedSettings.objects.filter(name__in=set(names.values())).order_by()
    found = {row.kind: row.settings for row in rows if names[SettingsKind(row.kind)] == row.name}
    return Layers(
        make_own(device.own_settings, device.with_list_max),
        found.get(SettingsKind.MODEL, {}),
        found.get(SettingsKind.PROFILE, {}),
    )


def check_own(device: Device, changes: Changes, after: Layers, before: Layers | None = None) -> None:
    """Raise InvalidSettings for changes, as of :func:`parse`, with which this device cannot be.

    ``before``: what was wrong before is none of their fault. Without it, all of the device is checked.
    """
    errors = {}
    if device.framing != Framing.HDLC:
        given = [name for name, value in changes.items() if value is not None]
        errors = {name: "Is for HDLC only." for name in given if SETTINGS[name].for_hdlc}
    place = device.framing, device.logical_device_address
    was_wrong = {} if before is None else check_together(before.resolve(), *place)
    wrong = check_together(after.resolve(), *place)
    errors |= {name: text for name, text in wrong.items() if was_wrong.get(name) != text or name in changes}
    title = changes.get("client_system_title")
    if title is not None and title == device.system_title:
        errors["client_system_title"] = "Is that of the meter itself: both sides need one of their own."
    if errors:
        raise InvalidSettings(errors)


def apply(device: Device, changes: Changes) -> None:
    """Change the settings in the columns of a device, without storing it. Raises InvalidSettings.

    ``changes`` are those of :func:`parse`. An M-Bus device is read over the association of its gateway and
    has none.
    """
    if device.is_mbus:
        text = "An M-Bus device is read the way its gateway is: set it there."
        raise InvalidSettings(dict.fromkeys(changes, text))
    before = find_layers(device)
    own = _change(before.device, changes)
    check_own(device, changes, before._replace(device=own), before)
    store_own(device, own)


def check_place(device: Device) -> None:
    """Raise InvalidSettings unless what holds for a device goes with its framing and address. One query."""
    holds = find_layers(device).resolve()
    if wrong := check_together(holds, device.framing, device.logical_device_address):
        raise InvalidSettings(wrong)


def store_own(device: Device, own: Values) -> None:
    """Put checked settings into the columns of a device."""
    device.with_list_max = own.get("with_list_max", NOT_GIVEN)
    device.own_settings = {name: own[name] for name in own if name != "with_list_max"} or None


@transaction.atomic
def change_device(device_id: int, changes: Changes) -> Device:
    """Change the settings of a device; return it. From its next visit on. Raises InvalidSettings."""
    device = Device.objects.select_for_update(no_key=True).get(pk=device_id)
    apply(device, parse(changes))
    device.save(update_fields=[*COLUMNS, "updated_at"])
    return device


@transaction.atomic
def change_shared(kind: SettingsKind, name: str, changes: Changes) -> Values:
    """Change the settings of a model or profile; return those that are set. Raises InvalidSettings.

    Meters get them at their next visit, unless they have settings of their own.
    """
    parsed = parse(changes)
    check_name(kind, name)
    row, _ = SharedSettings.objects.select_for_update().get_or_create(kind=kind, name=name)
    row.settings = _change(row.settings, parsed)
    if row.settings:
        row.save()
    else:
        row.delete()
    return dict(row.settings)


def check_name(kind: str, name: str) -> None:
    """Raise InvalidSettings unless it can be the name of a model or profile."""
    if not 0 < len(name) <= LONGEST_NAME or "\0" in name:
        raise InvalidSettings({"name": f"Must have 1 to {LONGEST_NAME} characters."})
    if kind == SettingsKind.PROFILE and name not in {each.key for each in catalogue.list_profiles()}:
        known = ", ".join(each.key for each in catalogue.list_profiles())
        raise InvalidSettings({"name": f"There is no such profile; known are {known}."})


def _change(values: Values, changes: Changes) -> dict[str, Any]:
    """Return values after changes, those that are not set left out."""
    changed = {**values, **changes}
    return {name: value for name, value in changed.items() if value is not None}
