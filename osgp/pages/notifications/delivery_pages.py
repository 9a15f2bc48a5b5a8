"""The list of deliveries of notifications, the page of one, and sending them again."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.dateparse import parse_datetime
from django.utils.html import format_html
from django.utils.safestring import SafeString

from osgp.accounts.models import Organisation
from osgp.devices.models import Device
from osgp.events.models import EventKind
from osgp.notifications import replaying
from osgp.notifications.models import TEST_KIND, Delivery, DeliveryState
from osgp.notifications.replaying import MOST_REPLAYED, OVER
from osgp.notifications.sending import write_body
from osgp.pages.access import ReadOnlyAdmin
from osgp.pages.notifications import display
from osgp.pages.notifications.filters import (
    CreatedFilter,
    EndpointFilter,
    KindFilter,
    ReceiverFilter,
    StateFilter,
)
from osgp.pages.notifications.finding import find_by_device, find_by_subject, limit_deliveries
from osgp.pages.notifications.history import keep
from osgp.pages.shared.columns import make_moment_column
from osgp.pages.shared.display_text import count_rows
from osgp.pages.shared.lists import ListWithFigures, LiveList, LongList
from osgp.pages.shared.page import ShownRow, get_page_url, return_to_page
from osgp.pages.shared.search import IndexedSearch, parse_uid
from osgp.requests.models import Request

MESSAGE_ID_PREFIX = "msg_"


@admin.register(Delivery)
class DeliveryAdmin(ListWithFigures, LiveList, IndexedSearch, ShownRow, LongList, ReadOnlyAdmin):
    """Notifiers change deliveries; people look at them and have them sent again."""

    detail_template = "admin/notifications/delivery/detail.html"
    list_display = (
        "state_badge",
        "kind",
        "about",
        "device_link",
        "receiver",
        "attempts",
        "last_answer",
        "next_attempt",
        "created",
    )
    list_display_links = ("kind",)
    list_filter = (StateFilter, KindFilter, CreatedFilter, EndpointFilter, ReceiverFilter)
    list_select_related = ("endpoint",)
    sortable_by = ()
    search_fields = ("subject",)
    search_help_text = "Correlation UID, webhook-id or device identification, in full"
    actions = ("send_again_selected",)

    created = make_moment_column("created_at", "Created")

    def visible_to(self, queryset: QuerySet[Any], organisation: Organisation) -> QuerySet[Any]:
        return limit_deliveries(queryset, organisation)

    def has_send_permission(self, request: HttpRequest) -> bool:
        """Sending again is all that the permission to change deliveries allows."""
        return request.user.has_perm("notifications.change_delivery")

    def find(self, queryset: QuerySet[Any], term: str) -> QuerySet[Any]:
        """By what it tells of, or those for a device."""
        uid = parse_uid(term.removeprefix(MESSAGE_ID_PREFIX))
        return find_by_device(queryset, term) if uid is None else find_by_subject(queryset, uid)

    # --- List ---

    def add_figures(self, rows: Sequence[Any]) -> None:
        """The devices and requests that they tell of: two queries for all of them."""
        devices, requests = find_devices(rows), find_requests(rows)
        for row in rows:
            row.device = devices.get(row.device_identification)
            row.told_of = requests.get(row.subject)

    @admin.display(description="State")
    def state_badge(self, row: Delivery) -> SafeString:
        return display.draw_delivery_state(row)

    @admin.display(description="Tells of")
    def about(self, row: Any) -> SafeString:
        return link_subject(row, row.told_of)

    @admin.display(description="Device", empty_value="–")
    def device_link(self, row: Any) -> SafeString | str | None:
        return link_device(row, row.device)

    @admin.display(description="Endpoint")
    def receiver(self, row: Delivery) -> SafeString:
        return display.link_endpoint(row.endpoint, display.show_receiver(row))

    @admin.display(description="Last answer", empty_value="–")
    def last_answer(self, row: Delivery) -> str | None:
        last = row.log[-1] if row.log else None
        return str(last["status_code"] or last["error"]) if last else None

    @admin.display(description="Next attempt")
    def next_attempt(self, row: Delivery) -> SafeString:
        return display.describe_next_attempt(row)

    # --- Actions ---

    @admin.action(description="Send selected deliveries again", permissions=["send"])
    def send_again_selected(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> HttpResponse | None:
        """By a new schedule, with the same ids; those that wait for an attempt stay as they are."""
        over = queryset.filter(state__in=OVER).order_by("pk").values_list("pk", flat=True)
        chosen = Delivery.objects.filter(pk__in=list(over[:MOST_REPLAYED]))
        rows = list(chosen)
        number = replaying.replay(chosen)
        if number:
            keep(request, rows, CHANGE, "Sent again.")
            text = f"{count_rows(number, 'delivery', 'deliveries')} sent again."
            more = f" {MOST_REPLAYED:,} are taken at a time." if number >= MOST_REPLAYED else ""
            messages.success(request, text + more)
        else:
            messages.warning(request, "What waits for an attempt is not sent again.")
        return return_to_page(Delivery, request)

    # --- Page ---

    def describe(self, request: HttpRequest, row: Delivery) -> dict[str, Any]:
        """What was sent, and what came of each attempt."""
        device = find_devices([row]).get(row.device_identification)
        told_of = find_requests([row]).get(row.subject)
        return {
            "title": f"Notification for {display.show_receiver(row)}",
            "state": display.draw_delivery_state(row),
            "is_pending": row.state == DeliveryState.PENDING,
            "receiver": display.show_receiver(row),
            "endpoint_state": display.draw_endpoint_state(row.endpoint),
            "endpoint_link": display.link_endpoint(row.endpoint, display.show_receiver(row)),
            "subject": link_subject(row, told_of),
            "device": link_device(row, device),
            "next_attempt": display.describe_next_attempt(row),
            "body": write_body(row.kind, row.data).decode(),
            "log": [{**attempt, "at": parse_datetime(attempt["at"])} for attempt in reversed(row.log)],
            "may_send": self.has_send_permission(request) and row.state in OVER,
        }


def find_devices(rows: Iterable[Delivery]) -> dict[str, Device]:
    """Return the devices that deliveries tell of, by identification. One query."""
    names = {row.device_identification for row in rows if row.device_identification}
    return {device.identification: device for device in Device.objects.filter(identification__in=names)}


def find_requests(rows: Iterable[Delivery]) -> dict[Any, Request]:
    """Return the requests that deliveries tell of, by correlation UID. One query."""
    subjects = [row.subject for row in rows if row.kind == EventKind.REQUEST_COMPLETED]
    found = Request.objects.filter(correlation_uid__in=subjects)
    return {item.correlation_uid: item for item in found.only("pk", "correlation_uid")}


def link_subject(row: Delivery, told_of: Request | None) -> SafeString:
    """What a delivery tells of, leading to the request if it is still there."""
    if row.kind == TEST_KIND:
        return format_html('<span class="quiet">{}</span>', "the endpoint itself")
    if row.kind != EventKind.REQUEST_COMPLETED:
        return format_html('<span class="uid quiet" title="{}">{}…</span>', row.subject, str(row.subject)[:8])
    name, status = str(row.data.get("message", "request")), row.data.get("status", "")
    if told_of is not None:
        url = get_page_url(Request, told_of.pk)
        name = format_html('<a href="{}">{}</a>', url, name)
    return format_html('{} <span class="quiet">{}</span>', name, status)


def link_device(row: Delivery, device: Device | None) -> SafeString | str | None:
    """The device, which may not be known any more."""
    if device is None:
        return row.device_identification or None
    return format_html('<a href="{}">{}</a>', get_page_url(Device, device.pk), device.identification)
