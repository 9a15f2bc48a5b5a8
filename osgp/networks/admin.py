"""Limits of networks and cells, changed while the platform runs."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest

from osgp.networks.models import Cell, CommunicationNetwork

LIVE = Q(devices__sessions__state__in=("OPENED", "CLAIMED"))


class CellInline(admin.TabularInline):
    model = Cell
    extra = 0
    show_change_link = True


@admin.register(CommunicationNetwork)
class CommunicationNetworkAdmin(admin.ModelAdmin):
    """Networks, with what is going on in them now."""

    list_display = [
        "name",
        "communication_method",
        "open_sessions",
        "max_open_sessions",
        "max_new_sessions_per_second",
        "max_open_sessions_per_cell",
    ]
    list_editable = ["max_open_sessions", "max_new_sessions_per_second", "max_open_sessions_per_cell"]
    search_fields = ["name"]
    inlines = [CellInline]

    def get_queryset(self, request: HttpRequest) -> QuerySet[CommunicationNetwork]:
        rows: QuerySet[CommunicationNetwork] = super().get_queryset(request)
        return rows.annotate(open_sessions=Count("devices__sessions", filter=LIVE))

    @admin.display(description="Open now", ordering="open_sessions")
    def open_sessions(self, network: Any) -> int:
        return int(network.open_sessions)


@admin.register(Cell)
class CellAdmin(admin.ModelAdmin):
    """Cells, with what is going on in them now."""

    list_display = ["network", "base_station", "cell", "open_sessions", "max_open_sessions"]
    list_display_links = ["cell"]
    list_editable = ["max_open_sessions"]
    list_filter = ["network"]
    list_select_related = ["network"]
    search_fields = ["base_station", "cell"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Cell]:
        rows: QuerySet[Cell] = super().get_queryset(request)
        return rows.annotate(open_sessions=Count("devices__sessions", filter=LIVE))

    @admin.display(description="Open now", ordering="open_sessions")
    def open_sessions(self, cell: Any) -> int:
        return int(cell.open_sessions)
