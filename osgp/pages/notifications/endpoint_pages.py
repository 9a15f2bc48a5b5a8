"""The list of webhook endpoints, the page of one, and what is done with them."""

from collections.abc import Callable, Sequence
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.html import format_html
from django.utils.safestring import SafeString

from osgp.notifications import endpoints, secrets
from osgp.notifications.models import Delivery, Endpoint
from osgp.pages.access import OrganisationScopedAdmin, get_organisation
from osgp.pages.notifications import display, hours
from osgp.pages.notifications.editing import EndpointEditing
from osgp.pages.notifications.filters import FAILED_LATELY, EndpointStateFilter
from osgp.pages.notifications.finding import count_of_endpoints
from osgp.pages.shared.columns import make_moment_column
from osgp.pages.shared.display_text import NOTHING, count_rows
from osgp.pages.shared.filters import OrganisationFilter
from osgp.pages.shared.lists import ListWithFigures, LiveList, LongList
from osgp.pages.shared.page import ShownRow, get_page_url, return_to_page
from osgp.pages.shared.paging import BoundedCount
from osgp.pages.shared.search import IndexedSearch, parse_uid

LAST = 20
"""Deliveries on the page of an endpoint."""
FILTER_NAMES = {"kinds": "kinds", "messages": "messages", "statuses": "final states"}


@admin.register(Endpoint)
class EndpointAdmin(
    EndpointEditing,
    ListWithFigures,
    LiveList,
    IndexedSearch,
    ShownRow,
    LongList,
    OrganisationScopedAdmin,
):
    """Registered, changed and deleted by the services that callers of the API use."""

    detail_template = "admin/notifications/endpoint/detail.html"
    list_display = (
        "state_badge",
        "receiver",
        "asked_for",
        "last_success",
        "last_failure",
        "waiting",
        "failed",
        "organisation",
    )
    list_display_links = ("receiver",)
    list_filter = (EndpointStateFilter, OrganisationFilter)
    list_select_related = ("organisation",)
    ordering = ("organisation__identification", "created_at", "pk")
    sortable_by = ()
    search_fields = ("url",)
    search_help_text = "UID, or part of the URL or description"
    actions = ("test_selected", "pause_selected", "resume_selected")

    last_success = make_moment_column("last_success_at", "Last success")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Those that were registered; what remains of a deleted one are its deliveries."""
        rows: QuerySet[Any] = super().get_queryset(request)
        return rows.filter(origin="", deleted_at__isnull=True)

    def get_list_display(self, request: HttpRequest) -> Any:
        """Who sees one organisation only need not be told which."""
        columns = super().get_list_display(request)
        return columns if get_organisation(request) is None else columns[:-1]

    def find(self, queryset: QuerySet[Any], term: str) -> QuerySet[Any]:
        """By UID, or by part of what is said of it: there are few endpoints."""
        uid = parse_uid(term)
        if uid is not None:
            return queryset.filter(uid=uid)
        return queryset.filter(url__icontains=term) | queryset.filter(description__icontains=term)

    # --- List ---

    def add_figures(self, rows: Sequence[Any]) -> None:
        """How many deliveries wait and failed: two queries for all of them."""
        counts = count_of_endpoints([row.pk for row in rows])
        for row in rows:
            row.number_waiting, row.number_failed = counts[row.pk]

    @admin.display(description="State")
    def state_badge(self, row: Endpoint) -> SafeString:
        return display.draw_endpoint_state(row)

    @admin.display(description="Endpoint")
    def receiver(self, row: Endpoint) -> SafeString:
        if not row.description:
            return format_html("{}", display.show_endpoint(row))
        return format_html('{} <span class="quiet">{}</span>', display.show_endpoint(row), row.description)

    @admin.display(description="Notified of")
    def asked_for(self, row: Endpoint) -> str:
        return describe_filters(row)

    @admin.display(description="Last failure")
    def last_failure(self, row: Endpoint) -> SafeString:
        return display.describe_last_failure(row)

    @admin.display(description="Pending")
    def waiting(self, row: Any) -> SafeString:
        return _link_number(row, row.number_waiting, "PENDING")

    @admin.display(description="Failed in 24 h")
    def failed(self, row: Any) -> SafeString:
        return _link_number(row, row.number_failed, FAILED_LATELY)

    # --- Actions ---

    @admin.action(description="Test selected endpoints", permissions=["change"])
    def test_selected(self, request: HttpRequest, queryset: QuerySet[Endpoint]) -> HttpResponse | None:
        """Send a notification to each that only tries it."""
        sent: list[Delivery] = []
        for endpoint in queryset.order_by("pk"):
            try:
                sent.append(endpoints.send_test(endpoint))
            except endpoints.NotPossible as error:
                messages.warning(request, f"{display.name_endpoint(endpoint)} was not tested: {error}")
            else:
                self.log_change(request, endpoint, "Tested.")
        if sent:
            text = f"{count_rows(len(sent), 'test')} sent. What comes of it is on the page of the delivery."
            messages.success(request, text)
        if len(sent) == 1 and request.user.has_perm("notifications.view_delivery"):
            return HttpResponseRedirect(get_page_url(Delivery, sent[0].pk))
        return return_to_page(Endpoint, request)

    @admin.action(description="Pause selected endpoints", permissions=["change"])
    def pause_selected(self, request: HttpRequest, queryset: QuerySet[Endpoint]) -> HttpResponse | None:
        number = self._steer(request, queryset.filter(paused_at__isnull=True), endpoints.pause, "Paused.")
        text = f"{count_rows(number, 'endpoint')} paused. Deliveries wait until it is resumed."
        messages.success(request, text) if number else messages.info(request, "Already paused.")
        return return_to_page(Endpoint, request)

    @admin.action(description="Resume selected endpoints", permissions=["change"])
    def resume_selected(self, request: HttpRequest, queryset: QuerySet[Endpoint]) -> HttpResponse | None:
        number = self._steer(request, queryset.filter(paused_at__isnull=False), endpoints.resume, "Resumed.")
        text = f"{count_rows(number, 'endpoint')} resumed. What waits is sent first."
        messages.success(request, text) if number else messages.info(request, "Not paused.")
        return return_to_page(Endpoint, request)

    def _steer(
        self, request: HttpRequest, rows: QuerySet[Endpoint], do: Callable[[Endpoint], Endpoint], said: str
    ) -> int:
        chosen = list(rows)
        for endpoint in chosen:
            do(endpoint)
            self.log_change(request, endpoint, said)
        return len(chosen)

    # --- Page ---

    def describe(self, request: HttpRequest, row: Endpoint) -> dict[str, Any]:
        """How it is, what it wants, and how its last deliveries went."""
        may_see_deliveries = request.user.has_perm("notifications.view_delivery")
        last = row.deliveries.select_related("endpoint")[:LAST] if may_see_deliveries else ()
        waiting, failed = count_of_endpoints([row.pk])[row.pk]
        may_change = self.has_change_permission(request, row)
        return {
            "title": display.show_endpoint(row),
            "state": display.draw_endpoint_state(row),
            "is_open": display.is_open(row),
            "filters": [(text, getattr(row, name)) for name, text in FILTER_NAMES.items()],
            "waiting": waiting,
            "failed": failed,
            "failed_lately": FAILED_LATELY,
            # Their values are never loaded here.
            "secrets": secrets.list_valid(row.organisation_id, row),
            "charted": hours.chart_deliveries(row) if may_see_deliveries else None,
            "last": [
                (each, display.draw_delivery_state(each), display.describe_next_attempt(each))
                for each in last
            ],
            "may_see_deliveries": may_see_deliveries,
            "may_change": may_change,
            "may_delete": self.has_delete_permission(request, row),
            "may_replay": self.has_replay_permission(request),
        }


def describe_filters(row: Endpoint) -> str:
    """What an endpoint is told of, in a few words."""
    said = []
    for name, text in FILTER_NAMES.items():
        chosen = getattr(row, name)
        if chosen:
            said.append(", ".join(chosen) if len(chosen) <= 2 else f"{len(chosen)} {text}")
    return "; ".join(said) or "everything"


def _link_number(row: Endpoint, number: BoundedCount, state: str) -> SafeString:
    if not number.number:
        return NOTHING
    url = display.get_deliveries_url(row, state)
    return format_html('<a href="{}">{}</a>', url, number)
