"""Visits to meters: who visited which one, when, and how it went."""

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from osgp.accounts.models import Organisation
from osgp.accounts.rights import list_visible_devices
from osgp.devices.models import Device
from osgp.message_logs.reading import find_failed_call, list_carried, list_logged_devices
from osgp.pages.access import ReadOnlyAdmin, get_organisation
from osgp.pages.networks.filters import VisitedCellFilter, VisitedNetworkFilter
from osgp.pages.shared.columns import make_moment_column, show_fault, show_state
from osgp.pages.shared.display_text import format_bytes, format_duration
from osgp.pages.shared.filters import OpenedFilter
from osgp.pages.shared.lists import LongList
from osgp.pages.shared.page import ShownRow, get_page_url
from osgp.pages.shared.search import IndexedSearch, parse_uid
from osgp.requests.models import MeterSession, Request

MOST_REQUESTS = 100


def limit_visits(queryset: QuerySet[Any], organisation: Organisation) -> QuerySet[Any]:
    """Visits to meters that the organisation may see, and those that carried requests of its own."""
    own = Request.objects.filter(session=OuterRef("pk"), organisation=organisation)
    visible = list_visible_devices(organisation).filter(pk=OuterRef("meter"))
    return queryset.filter(Q(Exists(visible)) | Q(Exists(own)))


@admin.register(MeterSession)
class MeterSessionAdmin(IndexedSearch, ShownRow, LongList, ReadOnlyAdmin):
    """Visits are a matter of the dispatcher and the workers; operators look at them."""

    detail_template = "admin/requests/metersession/detail.html"
    list_display = (
        "state_badge",
        "meter_name",
        "opened",
        "duration",
        "fault_text",
        "time_to_claim",
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
    search_help_text = "Meter identification or UID of a visit, in full"
    actions = None

    state_badge = show_state
    fault_text = show_fault
    opened = make_moment_column("opened_at", "Opened", ordering="opened_at")
    closed = make_moment_column("closed_at", "Closed")

    def visible_to(self, queryset: QuerySet[Any], organisation: Organisation) -> QuerySet[Any]:
        return limit_visits(queryset, organisation)

    def find(self, queryset: QuerySet[Any], term: str) -> QuerySet[Any]:
        """By its UID, or those to a meter."""
        uid = parse_uid(term)
        return queryset.filter(pk=uid) if uid is not None else queryset.filter(meter__identification=term)

    @admin.display(description="Meter")
    def meter_name(self, visit: MeterSession) -> str:
        return visit.meter.identification

    @admin.display(description="Claimed after")
    def time_to_claim(self, visit: MeterSession) -> str:
        return format_duration(visit.claimed_at - visit.opened_at if visit.claimed_at else None)

    @admin.display(description="Duration")
    def duration(self, visit: MeterSession) -> str:
        return format_duration(measure_duration(visit))

    @admin.display(description="Bytes")
    def traffic(self, visit: MeterSession) -> SafeString:
        """Sent to and received from the meter."""
        return format_html(
            '<span title="sent / received">{} / {}</span>',
            format_bytes(visit.bytes_sent),
            format_bytes(visit.bytes_received),
        )

    def describe(self, request: HttpRequest, row: MeterSession) -> dict[str, Any]:
        """One visit with the requests that it carried."""
        organisation = get_organisation(request)
        carried = row.requests.select_related("organisation").order_by("-pk")
        may_see_meter = request.user.has_perm("devices.view_device")
        if organisation is not None:
            carried = carried.filter(organisation=organisation)
            may_see_meter = (
                may_see_meter and list_visible_devices(organisation).filter(pk=row.meter_id).exists()
            )
        may_read_logs = request.user.has_perm("message_logs.view_messagelog")
        logged = list_logged_devices(row.pk, organisation) if may_read_logs else Device.objects.none()
        # The log of the meter has all of its requests.
        call = find_failed_call(row) if logged.filter(pk=row.meter_id).exists() else None
        return {
            "call": call.failed_call if call else None,
            "for_requests": list_carried(call, organisation) if call else (),
            "may_see_requests": request.user.has_perm("requests.view_request"),
            "logged": logged,
            "title": f"Visit to {row.meter.identification}",
            "duration": measure_duration(row),
            "carried": carried[:MOST_REQUESTS],
            "most": MOST_REQUESTS,
            "meter_url": get_page_url(Device, row.meter_id) if may_see_meter else "",
        }


def measure_duration(visit: MeterSession) -> timedelta | None:
    """How long the meter was held; None while that is not known."""
    if visit.claimed_at is None or visit.closed_at is None:
        return None
    return visit.closed_at - visit.claimed_at
