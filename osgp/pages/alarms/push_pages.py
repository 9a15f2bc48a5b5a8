"""Pushes as they were received, for the platform's operators: what became of them; decoding them again."""

import ipaddress
from typing import Any

from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.db.models.functions import Length
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString

from osgp.alarms import again
from osgp.alarms.models import Alarm, ReceivedPush
from osgp.alarms.showing import LONGEST_TEXT
from osgp.pages.access import PlatformOnly
from osgp.pages.alarms import display, hex_dump, push_chart
from osgp.pages.alarms.filters import OutcomeFilter, ReceivedFilter, VerifiedFilter
from osgp.pages.shared.columns import make_moment_column
from osgp.pages.shared.display_text import NOTHING, count_rows, format_bytes
from osgp.pages.shared.display_values import show
from osgp.pages.shared.lists import LiveList, LongList
from osgp.pages.shared.page import ShownRow, return_to_page
from osgp.pages.shared.search import IndexedSearch, parse_uid

AT_ONCE = 10_000
"""Pushes that one click has decoded again."""
MOST_ALARMS = 20
"""Alarms of one push that its page lists; it has more than one if a meter is registered twice."""


@admin.register(ReceivedPush)
class ReceivedPushAdmin(PlatformOnly, LiveList, IndexedSearch, ShownRow, LongList, admin.ModelAdmin):
    """Nobody adds, edits or deletes one; who may change them has them decoded again."""

    detail_template = "admin/alarms/receivedpush/detail.html"
    change_list_template = "admin/alarms/receivedpush/change_list.html"
    list_display = ("outcome_badge", "received", "source", "device_link", "verified", "size", "reason")
    list_display_links = ("received",)
    list_filter = (
        OutcomeFilter,
        ("transport", admin.ChoicesFieldListFilter),
        VerifiedFilter,
        ReceivedFilter,
    )
    list_select_related = ("device",)
    ordering = ("-pk",)
    sortable_by = ()
    search_fields = ("device__identification",)
    search_help_text = "Device identification, source address or UID, in full"
    actions = ("decode_again_selected",)

    received = make_moment_column("received_at", "Received")

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_decode_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """For the action of the list."""
        return self.has_view_permission(request) and request.user.has_perm("alarms.change_receivedpush")

    def find(self, queryset: QuerySet[Any], term: str) -> QuerySet[Any]:
        """By its UID, those of an address, or those of a device."""
        uid = parse_uid(term)
        if uid is not None:
            return queryset.filter(uid=uid)
        try:
            return queryset.filter(source_address=str(ipaddress.ip_address(term)))
        except ValueError:
            return queryset.filter(device__identification=term)

    # --- List ---

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """How long they are, in place of the octets, of which there may be 64 kB each."""
        rows: QuerySet[Any] = super().get_queryset(request)
        lengths: QuerySet[Any] = rows.defer("octets").annotate(length=Length("octets"))
        return lengths

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The list, below what became of all pushes lately."""
        may_see = self.has_view_permission(request)
        figures = {"pushes": push_chart.draw()} if may_see and request.method == "GET" else {}
        return super().changelist_view(request, {**figures, **(extra_context or {})})

    @admin.display(description="Outcome")
    def outcome_badge(self, push: ReceivedPush) -> SafeString:
        return display.draw_outcome(push.outcome)

    @admin.display(description="Source")
    def source(self, push: ReceivedPush) -> str:
        return display.format_source(push)

    @admin.display(description="Device")
    def device_link(self, push: ReceivedPush) -> SafeString | str:
        return display.link_device(push.device)

    @admin.display(description="Verified")
    def verified(self, push: ReceivedPush) -> SafeString:
        return display.draw_verified(push.is_verified)

    @admin.display(description="Size")
    def size(self, push: Any) -> str:
        return format_bytes(push.length)

    @admin.display(description="What it says")
    def reason(self, push: ReceivedPush) -> str:
        """Why it could not be used, or the alarms that it tells."""
        details = push.details if isinstance(push.details, dict) else {}
        told = details.get("reason") or ", ".join(map(str, details.get("alarm_types", ())))
        text = str(told or details.get("address") or details.get("list_name") or "")
        if not text:
            return NOTHING
        return f"{text[:1].upper()}{text[1:LONGEST_TEXT]}{'…' if len(text) > LONGEST_TEXT else ''}"

    @admin.action(description="Decode selected pushes again", permissions=["decode"])
    def decode_again_selected(
        self, request: HttpRequest, queryset: QuerySet[ReceivedPush]
    ) -> HttpResponse | None:
        """Those that brought nothing; what was used, replayed or came before stays as it is."""
        number = again.decode_again(queryset, most=AT_ONCE)
        if not number:
            text = "None of these pushes may be decoded again: they were used, or had come before."
            messages.warning(request, text)
        else:
            messages.success(
                request, f"{count_rows(number, 'push', 'pushes')} will be decoded again in a moment."
            )
        if number >= AT_ONCE:
            messages.warning(request, f"Others may wait: {AT_ONCE:,} at most are taken at once.")
        return return_to_page(ReceivedPush, request)

    # --- Page ---

    def describe(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """The push with what it says, its octets and its alarms."""
        alarms = list(Alarm.objects.filter(push=row).select_related("device")[:MOST_ALARMS])
        details = dict(row.details) if isinstance(row.details, dict) else {}
        reason = details.pop("reason", "")
        unused = again.list_undecoded().filter(pk=row.pk).exists()
        may = request.user.has_perm
        return {
            "title": "Received push",
            "badge": display.draw_outcome(row.outcome),
            "reason": reason,
            "details": show(details) if details else "",
            "source": display.format_source(row),
            "device_link": display.link_device(row.device, may_see=may("devices.view_device")),
            "dump": hex_dump.dump(bytes(row.octets)),
            "alarms": [(alarm, display.draw_alarm(alarm)) for alarm in alarms],
            "may_see_alarms": may("alarms.view_alarm"),
            "may_decode": unused and not alarms and self.has_decode_permission(request),
        }
