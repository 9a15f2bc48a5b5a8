"""Limits of networks and cells, changed while the platform runs, beside what is going on in them now."""

from collections import Counter
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from osgp.devices.models import CommunicationMethod, Device
from osgp.networks.models import Cell, CommunicationNetwork
from osgp.pages.networks.use import Use, use_of_cells, use_of_networks
from osgp.pages.shared.paging import LongList, bounded_count


class NetworkForm(forms.ModelForm):
    """A network; the methods are those that devices have."""

    communication_method = forms.ChoiceField(
        choices=[("", "–"), *CommunicationMethod.choices],
        required=False,
        help_text=CommunicationNetwork._meta.get_field("communication_method").help_text,
    )

    class Meta:
        model = CommunicationNetwork
        fields = "__all__"

    def clean_communication_method(self) -> str:
        """One network gets the devices of a method."""
        method: str = self.cleaned_data["communication_method"]
        other = CommunicationNetwork.for_method(method)
        if other is not None and other.pk != self.instance.pk:
            raise forms.ValidationError(f"Devices of this method belong to {other} already.")
        return method


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


class LimitsAdmin(LongList, admin.ModelAdmin):
    """What lists of networks and of cells have in common."""

    actions = None
    change_form_template = "admin/networks/change_form.html"
    place: str
    """The filter of lists of meters and visits, and the column of a meter."""

    def use_of(self, row: Any) -> Use:
        """What goes on in it now."""
        raise NotImplementedError

    def limit_of(self, row: Any) -> int | None:
        """How many meters of it may be visited at a time now."""
        raise NotImplementedError

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Its limits, below what is going on in it and the ways to its meters and visits."""
        row = self.get_object(request, object_id)
        context: dict[str, Any] = {"subtitle": None}
        if row is not None and self.has_view_permission(request, row):
            use = self.use_of(row)
            context |= {
                "title": str(row),
                "place": row,
                "open_now": gauge(use.open, self.limit_of(row)),
                "waiting_now": str(use.waiting),
                "meters": str(bounded_count(Device.objects.filter(**{self.place: row}))),
                "meters_url": self.meters_url(row),
                "visits_url": self.visits_url(row),
            }
        return super().change_view(request, object_id, form_url, {**context, **(extra_context or {})})

    def meters_url(self, row: Any) -> str:
        """The list of its meters."""
        return f"{reverse('admin:devices_device_changelist')}?{self.place}={row.pk}"

    def visits_url(self, row: Any) -> str:
        """The list of visits to its meters."""
        return f"{reverse('admin:requests_metersession_changelist')}?{self.place}={row.pk}"

    @admin.display(description="Meters")
    def meters_of_it(self, row: Any) -> SafeString:
        return format_html('<a href="{}">meters</a>', self.meters_url(row))

    @admin.display(description="Open now")
    def open_now(self, row: Any) -> SafeString:
        return gauge(row.use.open, self.limit_of(row), self.visits_url(row))

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

    form = NetworkForm
    place = "network"
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
        "meters_of_it",
    )
    list_editable = ("max_open_sessions", "max_new_sessions_per_second", "max_open_sessions_per_cell")
    list_filter = (("communication_method", admin.AllValuesFieldListFilter),)
    search_fields = ("name", "communication_method")
    search_help_text = "Part of the name or of the communication method"
    sortable_by = ("name",)

    @admin.display(description="By", empty_value="–")
    def method(self, network: CommunicationNetwork) -> str:
        return network.communication_method

    def use_of(self, row: Any) -> Use:
        return use_of_networks([row.pk])[row.pk]

    def limit_of(self, row: Any) -> int | None:
        limit: int | None = row.max_open_sessions
        return limit

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """What becomes of its cells and meters, counted: they are too many to be listed."""
        chosen = list(objs)
        keys = [network.pk for network in chosen]
        counts = {
            "cells": bounded_count(Cell.objects.filter(network__in=keys)),
            "meters that are in no network then": bounded_count(Device.objects.filter(network__in=keys)),
        }
        return [str(network) for network in chosen], counts, set(), []

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

    place = "cell"
    list_display = (
        "network",
        "base_station",
        "cell",
        "open_now",
        "limit",
        "max_open_sessions",
        "waiting",
        "meters_of_it",
    )
    list_display_links = ("cell",)
    fields = ("network", "base_station", "cell", "max_open_sessions")
    list_editable = ("max_open_sessions",)
    list_filter = ("network",)
    list_select_related = ("network",)
    search_fields = ("base_station", "cell", "network__name")
    search_help_text = "Part of a base station, cell or network"
    sortable_by = ("cell", "base_station", "network")

    def use_of(self, row: Any) -> Use:
        return use_of_cells([row.pk])[row.pk]

    def limit_of(self, row: Any) -> int | None:
        return limit_of(row)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Cell]:
        """With their networks, by which they are called: those who choose a cell of a device see it."""
        rows: QuerySet[Cell] = super().get_queryset(request)
        return rows.select_related("network")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """A cell stays in its network, as its meters do."""
        return () if obj is None else ("network",)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Its meters, counted: they are too many to be listed."""
        chosen = list(objs)
        meters = bounded_count(Device.objects.filter(cell__in=[cell.pk for cell in chosen]))
        return [str(cell) for cell in chosen], {"meters that are in no cell then": meters}, set(), []

    @admin.display(description="Limit in force")
    def limit(self, cell: Cell) -> SafeString | str:
        limit = limit_of(cell)
        if limit is None:
            return "none"
        inherited = SafeString(' <span class="quiet">of the network</span>')
        return format_html("{}{}", f"{limit:,}", inherited if cell.max_open_sessions is None else "")


def limit_of(cell: Cell) -> int | None:
    """The cell's own limit, or that of its network for all cells."""
    own = cell.max_open_sessions
    return own if own is not None else cell.network.max_open_sessions_per_cell


def gauge(number: int, limit: int | None, url: str = "") -> SafeString:
    """How much of a limit is in use: a bar with the numbers, of which the first leads to ``url``."""
    first = format_html("<b>{}</b>", f"{number:,}")
    if url and number:
        first = format_html('<a href="{}">{}</a>', url, first)
    if limit is None:
        return format_html('<span class="gauge">{}</span>', first)
    tone = "bad" if number >= limit else "warning" if number * 10 >= limit * 8 else "good"
    if limit == 0:
        return format_html(
            '<span class="gauge" title="Nothing is dialled">{} <span class="quiet">of 0: closed</span>'
            '<span class="bar" aria-hidden="true"><span class="bar-bad" data-share="1"></span></span></span>',
            first,
        )
    return format_html(
        '<span class="gauge">{} <span class="quiet">of {}</span><span class="bar" aria-hidden="true">'
        '<span class="bar-{}" data-share="{}"></span><span class="bar-blank" data-share="{}"></span>'
        "</span></span>",
        first,
        f"{limit:,}",
        tone,
        min(number, limit),
        max(0, limit - number),
    )
