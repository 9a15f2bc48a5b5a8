"""Form fields of the settings of meters, made from what osgp/devices/meter_settings.py declares."""

from collections.abc import Mapping
from typing import Any

from django import forms

from osgp.devices.meter_settings import SETTINGS, Kind, Setting
from osgp.devices.setting_changes import Changes, InvalidSettings
from osgp.devices.settings_resolution import Effective, Source
from osgp.devices.system_title import find_title
from osgp.pages.shared.display_text import split_words

PREFIX = "setting_"
"""Of the names of the fields: Device has a column with_list_max, which is something else."""
FIELDS = tuple(f"{PREFIX}{name}" for name in SETTINGS)
SOURCES = {
    Source.DEVICE: "its own",
    Source.MODEL: "from its model",
    Source.PROFILE: "from its profile",
    Source.DEFAULT: "by default",
}


class SettingTextField(forms.CharField):
    """A value as a person types it; nothing typed: not set."""

    def __init__(self, *, setting: Setting, **options: Any) -> None:
        self.setting = setting
        super().__init__(**options)

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        if not text:
            return None
        try:
            return self.setting.read(text)
        except ValueError as error:
            raise forms.ValidationError(str(error)) from error


class SettingChoiceField(forms.ChoiceField):
    """One of several names, or none."""

    def clean(self, value: Any) -> Any:
        return super().clean(value) or None


def _make_field(setting: Setting) -> forms.Field:
    options: dict[str, Any] = {"required": False, "help_text": setting.describe()}
    options["label"] = split_words(setting.name)
    if setting.kind is Kind.CHOICE:
        choices = [("", "– not set –"), *((each, each) for each in setting.choices)]
        return SettingChoiceField(choices=choices, **options)
    return SettingTextField(setting=setting, widget=forms.TextInput({"size": 32}), **options)


SettingsFields: Any = type(
    "SettingsFields",
    (forms.Form,),
    {f"{PREFIX}{name}": _make_field(setting) for name, setting in SETTINGS.items()},
)
"""A form of all settings, to be part of another one."""


def show(value: object) -> str:
    """A value of a setting as text."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def fill_in(form: forms.BaseForm, own: Mapping[str, Any]) -> None:
    """Have the form show what is set."""
    for name, value in own.items():
        if (field := form.fields.get(f"{PREFIX}{name}")) is not None:
            field.initial = show(value)


def tell_effective(form: forms.BaseForm, effective: Mapping[str, Effective]) -> None:
    """Have each empty field say what holds instead, and where it comes from."""
    for name, (value, source) in effective.items():
        field, told = form.fields.get(f"{PREFIX}{name}"), show_effective(name, value)
        if field is None or not told or source is Source.DEVICE:
            continue
        text = f"{told}, {SOURCES[source]}"
        if isinstance(field, forms.ChoiceField):
            [_, *choices] = field.choices  # type: ignore[misc]
            field.choices = [("", f"– {text} –"), *choices]
        else:
            field.widget.attrs["placeholder"] = text


def show_effective(name: str, value: object) -> str:
    """What holds, as text; empty: the platform finds out, or has the same for all."""
    if value is not None:
        return show(value)
    return find_title() if name == "client_system_title" else ""


def collect_changed(form: forms.BaseForm) -> Changes:
    """The settings that a person has changed, by name; None: not set any more."""
    typed = {name: f"{PREFIX}{name}" for name in SETTINGS}
    return {
        name: form.cleaned_data[field]
        for name, field in typed.items()
        if field in form.changed_data and field in form.cleaned_data
    }


def add_errors(form: forms.BaseForm, error: InvalidSettings) -> None:
    """Show why settings are refused, each at its field."""
    for name, text in error.errors.items():
        field = f"{PREFIX}{name}" if f"{PREFIX}{name}" in form.fields else name
        form.add_error(field if field in form.fields else None, text)
