"""Single alarms: what a meter reported, whether that can be relied on, and who has seen it."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from osgp.accounts.models import Organisation
from osgp.accounts.rights import is_granted
from osgp.alarms.finding import MAY_ACKNOWLEDGE, list_alarms, list_groups
from osgp.alarms.models import Alarm
from osgp.pages.access import ReadOnlyAdmin, get_organisation
from osgp.pages.alarms import display
from osgp.pages.alarms.acknowledging import AcknowledgedRows, acknowledge_alarms
from osgp.pages.alarms.filters import (
    AcknowledgedFilter,
    AlarmNetworkFilter,
    AlarmTypeFilter,
    GroupFilter,
    ReceivedFilter,
    UnknownBitsFilter,
    VerifiedFilter,
)
from osgp.pages.notifications.told import describe_deliveries
from osgp.pages.shared.columns import make_moment_column
from osgp.pages.shared.display_text import NOTHING, format_moment
from osgp.pages.shared.lists import LiveList, LongList
from osgp.pages.shared.page import ShownRow, return_to_page
from osgp.pages.shared.search import IndexedSearch, parse_uid


@admin.register(Alarm)
class AlarmAdmin(AcknowledgedRows, LiveList, IndexedSearch, ShownRow, LongList, ReadOnlyAdmin):
    """Alarms come by themselves; operators look at them and acknowledge them."""

    detail_template = "admin/alarms/alarm/detail.html"
    list_display = (
        "state_badge",
        "received",
        "names",
        "device_link",
        "verified",
        "trigger_name",
        "happened",
        "acknowledged",
    )
    list_display_links = ("names",)
    list_filter = (
        AcknowledgedFilter,
        AlarmTypeFilter,
        VerifiedFilter,
        UnknownBitsFilter,
        ReceivedFilter,
        AlarmNetworkFilter,
        GroupFilter,
    )
    list_select_related = ("device",)
    ordering = ("-received_at", "-pk")
    sortable_by = ()
    search_fields = ("device__identification",)
    search_help_text = "Device identification or UID of an alarm, in full"
    actions = ("acknowledge_selected",)

    received = make_moment_column("received_at", "Received")
    happened = make_moment_column("happened_at", "By the meter")

    def visible_to(self, queryset: QuerySet[Any], organisation: Organisation) -> QuerySet[Any]:
        return list_alarms(organisation)

    def find(self, queryset: QuerySet[Any], term: str) -> QuerySet[Any]:
        """By its UID, or those of a device identification."""
        uid = parse_uid(term)
        return queryset.filter(device__identification=term) if uid is None else queryset.filter(uid=uid)

    # --- List ---

    @admin.display(description="State")
    def state_badge(self, alarm: Alarm) -> SafeString:
        return display.draw_state(is_open=alarm.acknowledged_at is None)

    @admin.display(description="Alarm")
    def names(self, alarm: Alarm) -> SafeString:
        return display.draw_alarm(alarm)

    @admin.display(description="Device")
    def device_link(self, alarm: Alarm) -> SafeString | str:
        return display.link_device(alarm.device)

    @admin.display(description="Verified")
    def verified(self, alarm: Alarm) -> SafeString:
        return display.draw_verified(alarm.is_verified)

    @admin.display(description="Trigger")
    def trigger_name(self, alarm: Alarm) -> str:
        return alarm.trigger

    @admin.display(description="Acknowledged")
    def acknowledged(self, alarm: Alarm) -> SafeString:
        """When and by whom; the note is the tooltip."""
        if alarm.acknowledged_at is None:
            return NOTHING
        return format_html(
            '<span title="{}">{} <span class="quiet">{}</span></span>',
            alarm.note,
            format_moment(alarm.acknowledged_at),
            alarm.acknowledged_by,
        )

    @admin.action(description="Acknowledge selected alarms", permissions=["acknowledge"])
    def acknowledge_selected(self, request: HttpRequest, queryset: QuerySet[Alarm]) -> HttpResponse | None:
        """Those of devices that the user owns or manages; the others stay open."""
        acknowledge_alarms(request, queryset)
        return return_to_page(Alarm, request)

    # --- Page ---

    def describe(self, request: HttpRequest, row: Alarm) -> dict[str, Any]:
        """The alarm bit by bit, with its group and its push if the user may see them."""
        organisation = get_organisation(request)
        may = request.user.has_perm
        return {
            "title": "Alarm",
            "names": display.draw_alarm(row),
            "state": display.draw_state(is_open=row.acknowledged_at is None),
            "registers": display.list_registers(row),
            "device_link": display.link_device(row.device, may_see=may("devices.view_device")),
            "group": list_groups(organisation).filter(pk=row.group_id, number__gt=1).first()
            if row.group_id
            else None,
            "may_see_push": organisation is None and may("alarms.view_receivedpush"),
            "told": describe_deliveries(request, row.uid),
            "may_acknowledge": row.acknowledged_at is None
            and self.has_acknowledge_permission(request)
            and (organisation is None or is_granted(organisation, row.device, MAY_ACKNOWLEDGE)),
        }
