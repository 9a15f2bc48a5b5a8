"""How to talk to all meters of a model or a profile."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest

from osgp import catalogue
from osgp.devices import setting_changes
from osgp.devices.models import SharedSettings
from osgp.devices.setting_changes import InvalidSettings
from osgp.pages.devices.setting_form import (
    FIELDS,
    SettingsFields,
    add_errors,
    collect_changed,
    fill_in,
    show,
)
from osgp.pages.shared.columns import make_moment_column
from osgp.pages.shared.form_fields import SuggestingInput


class SharedSettingsForm(SettingsFields, forms.ModelForm):
    """The settings of a model or profile; nothing typed: not set."""

    class Meta:
        model = SharedSettings
        fields = ("kind", "name")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        fill_in(self, self.instance.settings)
        if "name" in self.fields:
            profiles = [profile.key for profile in catalogue.list_profiles()]
            self.fields["name"].widget = SuggestingInput(profiles, {"class": "vTextField"})

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        kind, name = cleaned.get("kind", self.instance.kind), cleaned.get("name", self.instance.name)
        try:
            setting_changes.check_name(kind, name)
        except InvalidSettings as error:
            add_errors(self, error)
        settings = {**self.instance.settings, **collect_changed(self)}
        self.instance.settings = {key: value for key, value in settings.items() if value is not None}
        if not self.instance.settings and not self.errors:
            self.add_error(None, "Nothing is set. Delete it instead.")
        return cleaned


@admin.register(SharedSettings)
class SharedSettingsAdmin(admin.ModelAdmin):
    """Settings of models and profiles. Meters get them at their next visit."""

    form = SharedSettingsForm
    list_display = ("name", "kind", "what", "changed")
    list_filter = ("kind",)
    search_fields = ("name",)
    search_help_text = "Part of the name"
    ordering = ("kind", "name")
    sortable_by = ("name",)
    actions = None

    changed = make_moment_column("updated_at", "Changed", full=True)

    @admin.display(description="Settings")
    def what(self, row: SharedSettings) -> str:
        return ", ".join(f"{name} {show(value)}" for name, value in sorted(row.settings.items()))

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Those who may only look see the settings as one text."""
        if not self.has_change_permission(request, obj) and obj is not None:
            return [(None, {"fields": ("kind", "name", "what")})]
        who = ("kind", "name")
        settings = {"fields": FIELDS, "classes": ("two-columns",)}
        return [(None, {"fields": who}), ("How to talk to them", settings)]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """A model or profile keeps its name: others have settings of their own."""
        return () if obj is None else ("kind", "name", "what")
