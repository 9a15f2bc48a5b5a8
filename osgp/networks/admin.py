"""Limits of networks and cells, changed while the platform runs, beside what is going on in them now."""

from collections import Counter
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from osgp.networks.models import Cell, CommunicationNetwork
from osgp.requests.admin_paging import BoundedPaginator
from osgp.requests.network_use import use_of_cells, use_of_networks


class UseList(ChangeList):
    """A page of networks or cells with what they bear now."""

    def get_results(self, request: HttpRequest) -> None:
        """A few queries more than other lists, however many rows there are on the page."""
        super().get_results(request)
        keys = [row.pk for row in self.result_list]
        use = use_of_networks(keys) if self.model is CommunicationNetwork else use_of_cells(keys)
        sizes: Counter[int] = Counter()
        if self.model is CommunicationNetwork:
            cells = Cell.objects.filter(network__in=keys).order_by().values_list("network")
            sizes.update(dict(cells.annotate(number=Count("*"))))
        for row in self.result_list:
            row.use = use[row.pk]
            row.number_of_cells = sizes[row.pk]


class LimitsAdmin(admin.ModelAdmin):
    """What lists of networks and of cells have in common."""

    list_per_page = 50
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    paginator = BoundedPaginator
    actions = None

    def get_changelist(self, request: HttpRequest, **options: Any) -> type[ChangeList]:
        return UseList

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """It keeps itself current, as long as nothing is being changed on it."""
        return super().changelist_view(request, {"live": 5, **(extra_context or {})})

    @admin.display(description="Waiting")
    def waiting(self, row: Any) -> str:
        return f"{row.use.waiting}" if row.use.waiting.number else "–"


@admin.register(CommunicationNetwork)
class CommunicationNetworkAdmin(LimitsAdmin):
    """Networks, with what is going on in them now."""

    list_display = (
        "name",
        "method",
        "open_now",
        "max_open_sessions",
        "new_now",
        "max_new_sessions_per_second",
        "cells_of_it",
        "max_open_sessions_per_cell",
        "waiting",
    )
    list_editable = ("max_open_sessions", "max_new_sessions_per_second", "max_open_sessions_per_cell")
    list_filter = (("communication_method", admin.AllValuesFieldListFilter),)
    search_fields = ("name", "communication_method")
    search_help_text = "Part of the name or of the communication method"
    sortable_by = ("name",)

    @admin.display(description="By", empty_value="–")
    def method(self, network: CommunicationNetwork) -> str:
        return network.communication_method

    @admin.display(description="Open now")
    def open_now(self, network: Any) -> SafeString:
        return gauge(network.use.open, network.max_open_sessions)

    @admin.display(description="New this second")
    def new_now(self, network: Any) -> SafeString:
        return gauge(network.use.new, network.max_new_sessions_per_second)

    @admin.display(description="Cells")
    def cells_of_it(self, network: Any) -> SafeString | str:
        if not network.number_of_cells:
            return "–"
        url = f"../cell/?network__id__exact={network.pk}"
        return format_html('<a href="{}">{}</a>', url, f"{network.number_of_cells:,}")


@admin.register(Cell)
class CellAdmin(LimitsAdmin):
    """Cells, with what is going on in them now."""

    list_display = ("cell", "base_station", "network", "open_now", "limit", "max_open_sessions", "waiting")
    list_display_links = ("cell",)
    list_editable = ("max_open_sessions",)
    list_filter = ("network",)
    list_select_related = ("network",)
    search_fields = ("base_station", "cell")
    search_help_text = "Part of the ids of base station or cell"
    sortable_by = ("cell", "base_station", "network")

    @admin.display(description="Open now")
    def open_now(self, cell: Any) -> SafeString:
        return gauge(cell.use.open, limit_of(cell))

    @admin.display(description="Holds now")
    def limit(self, cell: Cell) -> str:
        limit = limit_of(cell)
        return "no limit" if limit is None else f"{limit:,}"


def limit_of(cell: Cell) -> int | None:
    """The cell's own limit, or that of its network for all cells."""
    own = cell.max_open_sessions
    return own if own is not None else cell.network.max_open_sessions_per_cell


def gauge(number: int, limit: int | None) -> SafeString:
    """How much of a limit is in use: a bar with the numbers."""
    if limit is None:
        return format_html('<span class="gauge"><b>{}</b></span>', f"{number:,}")
    tone = "bad" if number >= limit else "warning" if number * 10 >= limit * 8 else "good"
    return format_html(
        '<span class="gauge"><b>{}</b> <span class="quiet">of {}</span><span class="bar" aria-hidden="true">'
        '<span class="bar-{}" data-share="{}"></span><span class="bar-blank" data-share="{}"></span>'
        "</span></span>",
        f"{number:,}",
        f"{limit:,}",
        tone,
        min(number, limit),
        max(0, limit - number),
    )
