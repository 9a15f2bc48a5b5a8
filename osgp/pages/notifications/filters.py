"""Filters of the lists of endpoints and deliveries."""

import re
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from osgp import platform_time
from osgp.notifications.models import KINDS, DeliveryState, Endpoint
from osgp.pages.access import get_organisation
from osgp.pages.notifications.display import show_endpoint
from osgp.pages.notifications.finding import choose_failed_lately
from osgp.pages.shared.filters import PERIODS, OrganisationFilter, PeriodFilter

MOST_OFFERED = 100
"""Endpoints that are offered; the page of each leads to its deliveries as well."""
FAILED_LATELY, RETRIED = "FAILED-24H", "RETRIED"
"""What one chooses beside the states."""


class EndpointStateFilter(admin.SimpleListFilter):
    """What the column of that name says."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        return [
            ("active", "Active"),
            ("failing", "Failing"),
            ("open", "Circuit open"),
            ("paused", "Paused"),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        if not value:
            return queryset
        at_work = queryset.filter(paused_at__isnull=True)
        most = settings.OSGP["WEBHOOK_CIRCUIT_FAILURES"]
        if value == "active":
            return at_work.filter(consecutive_failures=0)
        if value == "failing":
            return at_work.filter(consecutive_failures__gt=0)
        if value == "open":
            return at_work.filter(consecutive_failures__gte=most)
        return queryset.filter(paused_at__isnull=False) if value == "paused" else queryset.none()


class StateFilter(admin.SimpleListFilter):
    """The states of deliveries, and what operators look for most."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        return [
            (str(DeliveryState.PENDING), "Pending"),
            (RETRIED, "Pending after a failure"),
            (str(DeliveryState.DELIVERED), "Delivered"),
            (FAILED_LATELY, "Failed in the last 24 hours"),
            (str(DeliveryState.FAILED), "Failed"),
            (str(DeliveryState.FETCHED), "Fetched"),
            (str(DeliveryState.CANCELLED), "Cancelled"),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        if value == FAILED_LATELY:
            return choose_failed_lately(queryset)
        if value == RETRIED:
            return queryset.filter(state=DeliveryState.PENDING, attempts__gt=0)
        if value in DeliveryState.values:
            return queryset.filter(state=value)
        return queryset.none() if value else queryset


class KindFilter(admin.SimpleListFilter):
    """The kinds of notifications."""

    title = "kind"
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        return [(kind, kind) for kind in KINDS]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(kind=self.value()) if self.value() else queryset


class EndpointFilter(admin.SimpleListFilter):
    """The endpoints that the user may see, by organisation for those who see several."""

    title = "endpoint"
    parameter_name = "endpoint"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        organisation = get_organisation(request)
        rows = Endpoint.objects.select_related("organisation").order_by("organisation__identification", "pk")
        offered = Q(origin="", deleted_at__isnull=True)
        chosen = request.GET.get(self.parameter_name, "")
        if re.fullmatch(r"[0-9]{1,18}", chosen):
            offered |= Q(pk=chosen)
        rows = rows.filter(offered)
        if organisation is not None:
            return [
                (str(row.pk), _offer(row)) for row in rows.filter(organisation=organisation)[:MOST_OFFERED]
            ]
        return [
            (str(row.pk), f"{row.organisation.identification}: {_offer(row)}") for row in rows[:MOST_OFFERED]
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        if not value:
            return queryset
        return queryset.filter(endpoint=value) if re.fullmatch(r"[0-9]{1,18}", value) else queryset.none()


class CreatedFilter(PeriodFilter):
    """When a delivery was made."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        period = PERIODS.get(self.value() or "")
        return (
            queryset if period is None else queryset.filter(created_at__gte=platform_time.now() - period[1])
        )


class ReceiverFilter(OrganisationFilter):
    """The organisations whose endpoints get the deliveries."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        if not re.fullmatch(r"[0-9]{1,18}", value or ""):
            return queryset
        return queryset.filter(endpoint__organisation=value)


def _offer(row: Endpoint) -> str:
    return f"{show_endpoint(row)} {row.description}".strip()
