"""The form in which a device is added or changed."""

from collections.abc import Mapping
from typing import Any

from django import forms

from osgp import catalogue
from osgp.devices import setting_changes
from osgp.devices.addresses import canonicalise
from osgp.devices.meter_networks import NOT_DIALLED, is_dialled
from osgp.devices.models import Device
from osgp.devices.setting_changes import InvalidSettings, find_layers
from osgp.messages.serializers import list_time_zones
from osgp.networks.models import Cell
from osgp.pages.devices.setting_form import (
    FIELDS,
    SettingsFields,
    add_errors,
    collect_changed,
    fill_in,
    tell_effective,
)

HOW_TO_TALK = "How to talk to it"


def choose_classes(title: str, *, is_folded: bool) -> tuple[str, ...]:
    """CSS classes of a group of fields."""
    # One below the other, the many settings would fill three screens.
    return (*(("collapse",) if is_folded else ()), *(("two-columns",) if title == HOW_TO_TALK else ()))


class DeviceForm(SettingsFields, forms.ModelForm):
    """Name and version of the protocol are chosen together, among those in the catalogue."""

    profile = forms.ChoiceField(help_text="Which COSEM objects the meter has.")
    time_zone = forms.ChoiceField(help_text="Zone of the meter's clock.")

    class Meta:
        model = Device
        fields = "__all__"

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        device = self.instance
        if "profile" in self.fields:
            current = f"{device.protocol_name}-{device.protocol_version}" if device.pk else ""
            known = [profile.key for profile in catalogue.list_profiles()]
            if current and current not in known:
                known.append(current)
            self.fields["profile"].choices = [(key, key) for key in known]  # type: ignore[attr-defined]
            self.fields["profile"].initial = current or known[-1]
        if "time_zone" in self.fields:
            zones = sorted({*list_time_zones(), device.time_zone})
            self.fields["time_zone"].choices = [(zone, zone) for zone in zones]  # type: ignore[attr-defined]
            self.fields["time_zone"].initial = device.time_zone
        if device.pk and device.is_mbus:
            for name in FIELDS:
                self.fields.pop(name, None)
        elif device.pk:
            layers = find_layers(device)
            fill_in(self, layers.device)
            tell_effective(self, layers.explain())

    def clean_network_address(self) -> str:
        """Return it in the form in which meter sessions compare addresses."""
        return canonicalise(self.cleaned_data["network_address"])

    def clean_system_title(self) -> str:
        """Return it in capitals, as it is compared."""
        title: str = self.cleaned_data["system_title"]
        return title.upper()

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if "profile" in cleaned:
            name, _, version = cleaned["profile"].rpartition("-")
            self.instance.protocol_name, self.instance.protocol_version = name, version
        gateway: Device | None = cleaned.get("gateway")
        if gateway is not None and gateway.is_mbus:
            self.add_error("gateway", "A gateway must be an electricity meter.")
        if gateway is not None and cleaned.get("channel") is None:
            self.add_error("channel", "Enter the channel of the gateway.")
        cell: Cell | None = cleaned.get("cell")
        if cell is not None and cell.network_id != getattr(cleaned.get("network"), "pk", None):
            self.add_error("cell", f"This cell belongs to the network {cell.network}: choose that network.")
        self._check_place(cleaned)
        self._change_settings(cleaned)
        return cleaned

    def _check_place(self, cleaned: Mapping[str, Any]) -> None:
        """Refuse a new address where no meters are dialled; what a name leads to shows when it is dialled."""
        if {"network_address", "port"}.isdisjoint(self.changed_data):
            return
        address, port = (
            cleaned.get(name, getattr(self.instance, name)) for name in ("network_address", "port")
        )
        if address and port and not is_dialled(address, port):
            self.add_error("network_address", f"{NOT_DIALLED} See OSGP_METER_NETWORKS.")

    def _change_settings(self, cleaned: Mapping[str, Any]) -> None:
        """Put changed settings into the columns, if the device as it is to be can have what holds."""
        device = self.instance
        for name in ("device_type", "framing", "logical_device_address", "model", "system_title"):
            if name in cleaned:
                setattr(device, name, cleaned[name])
        changes = collect_changed(self)
        is_elsewhere = not {"framing", "logical_device_address"}.isdisjoint(self.changed_data)
        try:
            if changes:
                setting_changes.apply(device, changes)
            if is_elsewhere and not device.is_mbus:
                setting_changes.check_place(device)
        except InvalidSettings as error:
            add_errors(self, error)

    def list_changed_columns(self) -> list[str]:
        """The columns that the operator changed, for an UPDATE that leaves all others alone."""
        columns = [name for name in self.changed_data if name != "profile" and name not in FIELDS]
        if "profile" in self.changed_data:
            columns += ["protocol_name", "protocol_version"]
        if collect_changed(self):
            columns += setting_changes.COLUMNS
        if "network_address" in self.changed_data:
            # What was announced before goes before what a person says now, unless it is forgotten.
            self.instance.announced_address = ""
            columns.append("announced_address")
        return columns
