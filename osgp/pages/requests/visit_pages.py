"""Visits to meters: who visited which one, when, and how it went."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from osgp.accounts.models import Organisation
from osgp.accounts.rights import visible_devices
from osgp.message_logs.reading import devices_logged
from osgp.pages.access import ReadOnlyAdmin, organisation_of
from osgp.pages.networks.filters import VisitedCellFilter, VisitedNetworkFilter
from osgp.pages.shared import display_text
from osgp.pages.shared.filters import OpenedFilter
from osgp.pages.shared.paging import LongList
from osgp.pages.shared.search import by_meter
from osgp.requests.models import MeterSession, Request

MOST_REQUESTS = 100


def sessions_of(queryset: QuerySet[Any], organisation: Organisation) -> QuerySet[Any]:
    """Visits to meters that the organisation may see, and those that carried requests of its own."""
    own = Request.objects.filter(session=OuterRef("pk"), organisation=organisation)
    visible = visible_devices(organisation).filter(pk=OuterRef("meter"))
    return queryset.filter(Q(Exists(visible)) | Q(Exists(own)))


@admin.register(MeterSession)
class MeterSessionAdmin(LongList, ReadOnlyAdmin):
    """Sessions belong to the dispatcher and the workers; operators look at them."""

    list_display = (
        "state_badge",
        "meter_name",
        "opened",
        "length",
        "fault_text",
        "claimed_after",
        "closed",
        "round_trips",
        "traffic",
        "priority",
        "worker",
    )
    list_display_links = ("meter_name",)
    list_filter = (
        ("state", admin.ChoicesFieldListFilter),
        OpenedFilter,
        VisitedNetworkFilter,
        VisitedCellFilter,
    )
    list_select_related = ("meter",)
    ordering = ("-opened_at",)
    sortable_by = ("opened",)
    search_fields = ("meter__identification",)
    search_help_text = "Meter identification or session number, in full"
    actions = None

    def visible_to(self, queryset: QuerySet[Any], organisation: Organisation) -> QuerySet[Any]:
        return sessions_of(queryset, organisation)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        return by_meter(queryset, search_term), False

    @admin.display(description="State")
    def state_badge(self, item: MeterSession) -> SafeString:
        return display_text.badge(item.state)

    @admin.display(description="Meter")
    def meter_name(self, item: MeterSession) -> str:
        return item.meter.identification

    @admin.display(description="Opened", ordering="opened_at")
    def opened(self, item: MeterSession) -> SafeString:
        return display_text.moment(item.opened_at)

    @admin.display(description="Claimed after")
    def claimed_after(self, item: MeterSession) -> str:
        return display_text.duration(item.claimed_at - item.opened_at if item.claimed_at else None)

    @admin.display(description="Closed")
    def closed(self, item: MeterSession) -> SafeString:
        return display_text.moment(item.closed_at)

    @admin.display(description="Took")
    def length(self, item: MeterSession) -> str:
        return display_text.duration(length(item))

    @admin.display(description="Bytes")
    def traffic(self, item: MeterSession) -> SafeString:
        """Sent to and received from the meter."""
        return format_html(
            '<span title="sent / received">{} / {}</span>',
            display_text.byte_count(item.bytes_sent),
            display_text.byte_count(item.bytes_received),
        )

    @admin.display(description="Fault")
    def fault_text(self, item: MeterSession) -> SafeString:
        return display_text.fault_summary(item.fault)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """One visit with the requests that it carried. Nothing can be posted to it."""
        item = self.get_object(request, object_id)
        if not self.has_view_permission(request, item) or request.method not in {"GET", "HEAD"}:
            raise PermissionDenied
        if item is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)  # type: ignore[attr-defined, no-any-return]
        organisation = organisation_of(request)
        carried = item.requests.select_related("organisation").order_by("-pk")
        devices = visible_devices(organisation) if organisation is not None else None
        meter_url = reverse("admin:devices_device_change", args=[item.meter_id])
        if organisation is not None:
            carried = carried.filter(organisation=organisation)
        may_see_meter = request.user.has_perm("devices.view_device") and (
            devices is None or devices.filter(pk=item.meter_id).exists()
        )
        may_read_logs = request.user.has_perm("message_logs.view_messagelog")
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "logged": devices_logged(item.pk, organisation) if may_read_logs else (),
            "title": f"Visit to {item.meter.identification}",
            "original": item,
            "length": length(item),
            "carried": carried[:MOST_REQUESTS],
            "most": MOST_REQUESTS,
            "meter_url": meter_url if may_see_meter else "",
        }
        return TemplateResponse(request, "admin/requests/metersession/detail.html", context)


def length(session: MeterSession) -> Any:
    """How long the meter was held; None while that is not known."""
    if session.claimed_at is None or session.closed_at is None:
        return None
    return session.closed_at - session.claimed_at
