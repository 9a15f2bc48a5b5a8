"""What lists have in common: they open at once however long they are, and some keep themselves current."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.http import HttpRequest, HttpResponse

from osgp.pages.shared.paging import BoundedPaginator


class LongList(admin.ModelAdmin):
    """Tables that grow without bounds."""

    list_per_page = 50
    paginator = BoundedPaginator
    # Either would count the whole table.
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER


class LiveList(admin.ModelAdmin):
    """A list that renews itself, as long as nothing is chosen or being changed on it."""

    seconds_between_renewals = 5

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        live = {"live": self.seconds_between_renewals}
        return super().changelist_view(request, {**live, **(extra_context or {})})


class ChangeListWithFigures(ChangeList):
    """The rows of one page, with figures that are not in their table."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        assert isinstance(self.model_admin, ListWithFigures)
        self.model_admin.add_figures(self.result_list)


class ListWithFigures(admin.ModelAdmin):
    """A list whose rows have figures from other tables: looked up for a page at once, never row by row."""

    def add_figures(self, rows: Sequence[Any]) -> None:
        """Set the figures as attributes of the rows, in a number of queries that does not grow with them."""
        raise NotImplementedError

    def get_changelist(self, request: HttpRequest, **options: Any) -> type[ChangeList]:
        return ChangeListWithFigures
