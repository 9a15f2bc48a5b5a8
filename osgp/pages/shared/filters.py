"""Filters of operators' lists: their choices come from the code, never from a scan of the table."""

import re
import uuid
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from osgp.accounts.models import Organisation
from osgp.messages.registry import list_operations
from osgp.pages.access import get_organisation
from osgp.pages.shared.paging import find_first_number_since
from osgp.requests.queries import filter_by_batch

PERIODS = {
    "15m": ("Last 15 minutes", timedelta(minutes=15)),
    "1h": ("Last hour", timedelta(hours=1)),
    "24h": ("Last 24 hours", timedelta(hours=24)),
    "7d": ("Last 7 days", timedelta(days=7)),
}


class MessageFilter(admin.SimpleListFilter):
    """The messages that are registered."""

    title = "message"
    parameter_name = "message"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        return [(name, name) for name in sorted(item.message for item in list_operations())]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(message=self.value()) if self.value() else queryset


class BatchFilter(admin.SimpleListFilter):
    """The requests of one batch, whose page leads here: there are too many batches to choose from."""

    title = "batch"
    parameter_name = "batch"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        uid = request.GET.get(self.parameter_name, "")
        return [(uid, f"{uid[:8]}…")] if uid else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        if not value:
            return queryset
        try:
            uid = uuid.UUID(value)
        except ValueError:
            return queryset.none()
        return filter_by_batch(queryset, uid)


class OrganisationFilter(admin.SimpleListFilter):
    """All organisations, for those who may see more than one."""

    title = "organisation"
    parameter_name = "organisation"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        if get_organisation(request) is not None:
            return []
        rows = Organisation.objects.values_list("pk", "identification")
        return [(str(key), identification) for key, identification in rows]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        return queryset.filter(organisation=value) if re.fullmatch(r"[0-9]{1,18}", value or "") else queryset


class PeriodFilter(admin.SimpleListFilter):
    """When a request was created."""

    title = "created"
    parameter_name = "created"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        return [(key, text) for key, (text, _) in PERIODS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        period = PERIODS.get(self.value() or "")
        if period is None:
            return queryset
        since = timezone.now() - period[1]
        return queryset.filter(pk__gt=find_first_number_since(since), created_at__gte=since)


class OpenedFilter(PeriodFilter):
    """When a visit was opened, which has an index of its own."""

    title = "opened"
    parameter_name = "opened"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        period = PERIODS.get(self.value() or "")
        return queryset if period is None else queryset.filter(opened_at__gte=timezone.now() - period[1])
