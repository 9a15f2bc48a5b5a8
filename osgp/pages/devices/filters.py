"""Filters of the list of devices."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from osgp import catalogue, platform_time
from osgp.firmware.versions import filter_by_version


class FailingFilter(admin.SimpleListFilter):
    """Whether the last attempts to reach the meter failed."""

    title = "connection"
    parameter_name = "connection"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        return [("failing", "Failing"), ("failing-5", "Failing 5 times or more"), ("never", "Never reached")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        match self.value():
            case "failing":
                return queryset.filter(failed_connections__gt=0)
            case "failing-5":
                return queryset.filter(failed_connections__gte=5)
            case "never":
                return queryset.filter(last_success_at__isnull=True, gateway__isnull=True)
        return queryset


class DebuggingFilter(admin.SimpleListFilter):
    """Whose messages are logged now."""

    title = "debugging"
    parameter_name = "debugging"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        return [("on", "On")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == "on":
            return queryset.filter(debugging_until__gt=platform_time.now())
        return queryset


class ProfileFilter(admin.SimpleListFilter):
    """The profiles of the catalogue."""

    title = "protocol"
    parameter_name = "profile"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        return [
            (profile.key, f"{profile.protocol_name} {profile.protocol_version}")
            for profile in catalogue.list_profiles()
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        name, _, version = (self.value() or "").rpartition("-")
        return queryset.filter(protocol_name=name, protocol_version=version) if name else queryset


class FirmwareFilter(admin.SimpleListFilter):
    """Which devices run a firmware version, to which their pages lead: there are too many to choose from."""

    title = "firmware version"
    parameter_name = "firmware"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        version = request.GET.get(self.parameter_name, "")
        return [(version, version)] if version else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        version = self.value()
        return filter_by_version(queryset, version) if version else queryset
