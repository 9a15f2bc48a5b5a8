"""Serializer fields of the settings of meters, made from what osgp/devices/meter_settings.py declares."""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from osgp.devices.meter_settings import SETTINGS, Kind, Setting
from osgp.messages.serializers import CharField, ChoiceField, IntegerField, StrictSerializer


class SettingField(serializers.Field):
    """What all of them have in common: a value is checked by the declaration of its setting."""

    def __init__(self, name: str, **options: Any) -> None:
        self.setting = SETTINGS[name]
        super().__init__(**_make_options(self.setting), **{"help_text": self.setting.describe()} | options)

    def to_internal_value(self, data: Any) -> Any:
        """Return the value as it is stored in JSON."""
        try:
            return self.setting.parse(data)
        except ValueError as error:
            raise ValidationError(str(error)) from error


class SettingIntegerField(SettingField, IntegerField):
    """An integer."""


class SettingSecondsField(SettingField, serializers.FloatField):
    """A number of seconds."""


class SettingChoiceField(SettingField, ChoiceField):
    """One of several names."""


class SettingTextField(SettingField, CharField):
    """An OBIS code or a system title."""


_FIELDS: Mapping[Kind, type[SettingField]] = {
    Kind.INTEGER: SettingIntegerField,
    Kind.SECONDS: SettingSecondsField,
    Kind.CHOICE: SettingChoiceField,
    Kind.OBIS_CODE: SettingTextField,
    Kind.SYSTEM_TITLE: SettingTextField,
}


def _make_options(setting: Setting) -> dict[str, Any]:
    if setting.kind is Kind.CHOICE:
        return {"choices": list(setting.choices)}
    if setting.minimum is None:
        return {}
    number = int if setting.kind is Kind.INTEGER else float
    assert setting.maximum is not None
    return {"min_value": number(setting.minimum), "max_value": number(setting.maximum)}


def make_setting_field(name: str, **options: Any) -> serializers.Field:
    """Return the field of a setting, which may be left out."""
    return _FIELDS[SETTINGS[name].kind](name, required=False, **options)


def add_setting_fields(shape: type[StrictSerializer], **options: Any) -> type[StrictSerializer]:
    """Return a serializer with the fields of ``shape``, and one for each setting."""
    fields: dict[str, Any] = {name: make_setting_field(name, **options) for name in SETTINGS}
    return type(shape.__name__, (shape,), {"__doc__": shape.__doc__, **fields})
