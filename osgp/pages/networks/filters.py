"""Filters by network and cell of lists of meters and of visits to them."""

import re
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from osgp.networks.models import Cell, CommunicationNetwork
from osgp.pages.access import get_organisation


class NetworkFilter(admin.SimpleListFilter):
    """The network of a meter. Networks are a matter of the platform's operators."""

    title = "network"
    parameter_name = "network"
    path = "network"
    """How a row leads to the network."""

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        if get_organisation(request) is not None:
            return []
        return [(str(key), name) for key, name in CommunicationNetwork.objects.values_list("pk", "name")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return _filter(queryset, self.path, self.value())


class CellFilter(admin.SimpleListFilter):
    """The cell of a meter, whose page leads here: there are too many cells to choose from."""

    title = "cell"
    parameter_name = "cell"
    path = "cell"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        number = request.GET.get(self.parameter_name, "")
        if get_organisation(request) is not None or not number:
            return []
        cells = Cell.objects.select_related("network")
        cell = cells.filter(pk=number).first() if _is_number(number) else None
        return [(number, str(cell) if cell is not None else "unknown")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return _filter(queryset, self.path, self.value())


class VisitedNetworkFilter(NetworkFilter):
    """The network of the meter that is visited."""

    path = "meter__network"


class VisitedCellFilter(CellFilter):
    """The cell of the meter that is visited."""

    path = "meter__cell"


def _filter(queryset: QuerySet[Any], path: str, value: str | None) -> QuerySet[Any]:
    if not value:
        return queryset
    return queryset.filter(**{path: value}) if _is_number(value) else queryset.none()


def _is_number(value: str) -> bool:
    return re.fullmatch(r"[0-9]{1,18}", value) is not None
