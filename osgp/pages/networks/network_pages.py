"""Limits of networks and cells, changed while the platform runs, beside what is going on in them now."""

from collections.abc import Collection, Sequence
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from osgp.devices.models import CommunicationMethod, Device
from osgp.networks.models import Cell, CommunicationNetwork
from osgp.pages.networks.gauge import draw_gauge
from osgp.pages.networks.use import Use, load_use_of_cells, load_use_of_networks
from osgp.pages.shared.lists import ListWithFigures, LiveList, LongList
from osgp.pages.shared.page import EditedRow
from osgp.pages.shared.paging import count_up_to_limit


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
        other = CommunicationNetwork.find_by_method(method)
        if other is not None and other.pk != self.instance.pk:
            raise forms.ValidationError(f"Devices with this method already belong to {other}.")
        return method


class LimitsAdmin(ListWithFigures, LiveList, EditedRow, LongList):
    """What networks and cells have in common."""

    actions = None
    change_form_template = "admin/networks/change_form.html"
    place: str
    """The filter of lists of meters and visits, and the column of a meter."""

    def load_use(self, keys: Collection[int]) -> dict[int, Use]:
        """What goes on in them now, by their keys."""
        raise NotImplementedError

    def get_limit(self, row: Any) -> int | None:
        """How many meters of it may be visited at a time now."""
        raise NotImplementedError

    def add_figures(self, rows: Sequence[Any]) -> None:
        """What they bear now."""
        use = self.load_use([row.pk for row in rows])
        for row in rows:
            row.use = use[row.pk]

    def describe(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """What is going on in it, and the ways to its meters and visits."""
        use = self.load_use([row.pk])[row.pk]
        return {
            "title": str(row),
            "place": row,
            "open_now": draw_gauge(use.open, self.get_limit(row)),
            "waiting_now": str(use.waiting),
            "meters": str(count_up_to_limit(Device.objects.filter(**{self.place: row}))),
            "meters_url": self.get_meters_url(row),
            "visits_url": self.get_visits_url(row),
        }

    def get_meters_url(self, row: Any) -> str:
        """The list of its meters."""
        return f"{reverse('admin:devices_device_changelist')}?{self.place}={row.pk}"

    def get_visits_url(self, row: Any) -> str:
        """The list of visits to its meters."""
        return f"{reverse('admin:requests_metersession_changelist')}?{self.place}={row.pk}"

    @admin.display(description="Meters")
    def meters(self, row: Any) -> SafeString:
        return format_html('<a href="{}">meters</a>', self.get_meters_url(row))

    @admin.display(description="Visits now")
    def open_now(self, row: Any) -> SafeString:
        return draw_gauge(row.use.open, self.get_limit(row), self.get_visits_url(row))

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
        "cells_link",
        "max_open_sessions_per_cell",
        "waiting",
        "meters",
    )
    list_editable = ("max_open_sessions", "max_new_sessions_per_second", "max_open_sessions_per_cell")
    list_filter = (("communication_method", admin.AllValuesFieldListFilter),)
    search_fields = ("name", "communication_method")
    search_help_text = "Part of the name or of the communication method"
    sortable_by = ("name",)

    @admin.display(description="Communication method", empty_value="–")
    def method(self, network: CommunicationNetwork) -> str:
        return network.communication_method

    def load_use(self, keys: Collection[int]) -> dict[int, Use]:
        return load_use_of_networks(keys)

    def add_figures(self, rows: Sequence[Any]) -> None:
        """What they bear now, and how many cells they have."""
        super().add_figures(rows)
        cells = Cell.objects.filter(network__in=[network.pk for network in rows]).order_by()
        sizes = dict(cells.values_list("network").annotate(number=Count("*")))
        for network in rows:
            network.number_of_cells = sizes.get(network.pk, 0)

    def get_limit(self, row: Any) -> int | None:
        limit: int | None = row.max_open_sessions
        return limit

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """What becomes of its cells and meters, counted: they are too many to be listed."""
        chosen = list(objs)
        keys = [network.pk for network in chosen]
        counts = {
            "cells": count_up_to_limit(Cell.objects.filter(network__in=keys)),
            "meters that will be in no network": count_up_to_limit(Device.objects.filter(network__in=keys)),
        }
        return [str(network) for network in chosen], counts, set(), []

    @admin.display(description="New this second")
    def new_now(self, network: Any) -> SafeString:
        return draw_gauge(network.use.new, network.max_new_sessions_per_second)

    @admin.display(description="Cells")
    def cells_link(self, network: Any) -> SafeString | str:
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
        "meters",
    )
    list_display_links = ("cell",)
    fields = ("network", "base_station", "cell", "max_open_sessions")
    list_editable = ("max_open_sessions",)
    list_filter = ("network",)
    list_select_related = ("network",)
    search_fields = ("base_station", "cell", "network__name")
    search_help_text = "Part of a base station, cell or network"
    sortable_by = ("cell", "base_station", "network")

    def load_use(self, keys: Collection[int]) -> dict[int, Use]:
        return load_use_of_cells(keys)

    def get_limit(self, row: Any) -> int | None:
        return find_limit(row)

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
        meters = count_up_to_limit(Device.objects.filter(cell__in=[cell.pk for cell in chosen]))
        return [str(cell) for cell in chosen], {"meters that will be in no cell": meters}, set(), []

    @admin.display(description="Limit in force")
    def limit(self, cell: Cell) -> SafeString | str:
        limit = find_limit(cell)
        if limit is None:
            return "none"
        inherited = SafeString(' <span class="quiet">of the network</span>')
        return format_html("{}{}", f"{limit:,}", inherited if cell.max_open_sessions is None else "")


def find_limit(cell: Cell) -> int | None:
    """The cell's own limit, or that of its network for all cells."""
    own = cell.max_open_sessions
    return own if own is not None else cell.network.max_open_sessions_per_cell
