"""Operators' pages about system notes: what is open, and dismissing what is meant to be so."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from osgp.accounts.models import Organisation
from osgp.accounts.rights import list_granted_devices, list_visible_devices
from osgp.devices.models import Device
from osgp.pages.access import ReadOnlyAdmin, get_organisation
from osgp.pages.shared.columns import make_moment_column, show_state
from osgp.pages.shared.display_text import count_rows
from osgp.pages.shared.display_values import show
from osgp.pages.shared.filters import DefaultedFilter
from osgp.pages.shared.lists import LongList
from osgp.pages.shared.page import ShownRow, get_page_url, return_to_page
from osgp.pages.shared.search import IndexedSearch
from osgp.requests.models import Request
from osgp.system_notes.keeping import dismiss
from osgp.system_notes.kinds import KINDS
from osgp.system_notes.models import NoteState, SystemNote

ALL = "ALL"


class StateFilter(DefaultedFilter):
    """Only open notes unless something else is chosen."""

    title = "state"
    parameter_name = "state"
    default = NoteState.OPEN.value

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        return [(ALL, "All"), *((state.value, str(state.label)) for state in NoteState)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset if self.choice == ALL else queryset.filter(NoteState(self.choice).condition)


class KindFilter(admin.SimpleListFilter):
    """The kinds of notes."""

    title = "kind"
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        return [(kind.name, kind.title) for kind in KINDS]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(kind=self.value()) if self.value() else queryset


@admin.register(SystemNote)
class SystemNoteAdmin(IndexedSearch, ShownRow, LongList, ReadOnlyAdmin):
    """Notes come and go by themselves; operators look at them and dismiss them."""

    detail_template = "admin/system_notes/systemnote/detail.html"
    list_display = ("state_badge", "title", "device_link", "said", "first_seen", "last_seen", "times")
    list_display_links = ("title",)
    list_filter = (StateFilter, KindFilter)
    list_select_related = ("device",)
    ordering = ("-first_seen_at", "-pk")
    sortable_by = ("first_seen",)
    search_fields = ("device__identification",)
    search_help_text = "Device identification, in full"
    actions = ("dismiss_selected",)

    state_badge = show_state
    first_seen = make_moment_column("first_seen_at", "First seen", ordering="first_seen_at")
    last_seen = make_moment_column("last_seen_at", "Last seen")

    def visible_to(self, queryset: QuerySet[Any], organisation: Organisation) -> QuerySet[Any]:
        return queryset.filter(device__in=list_visible_devices(organisation))

    def find(self, queryset: QuerySet[Any], term: str) -> QuerySet[Any]:
        return queryset.filter(device__identification=term)

    def has_dismiss_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """For the action of the list."""
        return request.user.has_perm("system_notes.change_systemnote")

    # --- List ---

    @admin.display(description="Kind")
    def title(self, note: SystemNote) -> str:
        return note.known_kind.title

    @admin.display(description="Device")
    def device_link(self, note: SystemNote) -> SafeString:
        return format_html(
            '<a href="{}">{}</a>', get_page_url(Device, note.device_id), note.device.identification
        )

    @admin.display(description="What is so, and what to do")
    def said(self, note: SystemNote) -> SafeString:
        return format_html('{} <span class="quiet">{}</span>', note.text, note.what_to_do)

    @admin.display(description="Seen")
    def times(self, note: SystemNote) -> str:
        return f"{note.count:,}"

    @admin.action(description="Dismiss selected notes", permissions=["dismiss"])
    def dismiss_selected(self, request: HttpRequest, queryset: QuerySet[SystemNote]) -> HttpResponse | None:
        """Of several organisations, only owners of the device may; for the others the note stays."""
        organisation = get_organisation(request)
        if organisation is not None:
            queryset = queryset.filter(device__in=list_granted_devices(organisation, ()))
        chosen = list(queryset.filter(NoteState.OPEN.condition).values_list("pk", flat=True))
        notes = SystemNote.objects.filter(pk__in=chosen)
        number = dismiss(notes)
        if number:
            LogEntry.objects.log_actions(request.user.pk, notes, CHANGE, change_message="Dismissed.")  # type: ignore[arg-type]
            messages.success(request, f"{count_rows(number, 'note')} dismissed.")
        else:
            messages.warning(request, "None of these notes is open and of a device of yours.")
        return return_to_page(SystemNote, request)

    # --- Page ---

    def describe(self, request: HttpRequest, row: SystemNote) -> dict[str, Any]:
        """The note with the request that saw it last, if the user may see that."""
        requests = Request.objects.filter(correlation_uid__in=[row.last_correlation_uid])
        organisation = get_organisation(request)
        if organisation is not None:
            requests = requests.filter(organisation=organisation)
        return {
            "title": row.known_kind.title,
            "details": show(row.details) if row.details else "",
            "last_request": requests.first() if request.user.has_perm("requests.view_request") else None,
            "may_see_device": request.user.has_perm("devices.view_device"),
            "may_dismiss": self.has_dismiss_permission(request) and row.state == NoteState.OPEN,
        }
