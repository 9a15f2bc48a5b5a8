"""The audit trail: who did what, to read only."""

import json
import re
import uuid
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import Truncator

from osgp import platform_time
from osgp.accounts.models import Organisation
from osgp.accounts.rights import list_visible_devices
from osgp.audit.models import AuditEntry, AuditEvent
from osgp.devices.models import Device
from osgp.pages.access import ReadOnlyAdmin, get_organisation
from osgp.pages.shared.columns import make_moment_column
from osgp.pages.shared.display_values import make_label, redact, show
from osgp.pages.shared.filters import PERIODS, OrganisationFilter, PeriodFilter
from osgp.pages.shared.lists import LongList
from osgp.pages.shared.page import ShownRow
from osgp.pages.shared.search import IndexedSearch
from osgp.requests.models import Request


def parse_uid(text: str) -> uuid.UUID | None:
    """A UUID in its usual form; None if it is none."""
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


_FINGERPRINT = re.compile(r"[0-9a-f]{64}")


class EventFilter(admin.SimpleListFilter):
    """The events that this release knows."""

    title = "event"
    parameter_name = "event"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        return [(event.value, str(event.label)) for event in AuditEvent]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(event=self.value()) if self.value() else queryset


class ByOrganisationFilter(OrganisationFilter):
    """All organisations, by their identification: entries know no keys."""

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        return [(name, name) for _, name in super().lookups(request, model_admin)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        return queryset.filter(organisation_identification=value) if value else queryset


class TimeFilter(PeriodFilter):
    """When it happened."""

    title = "time"
    parameter_name = "time"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        period = PERIODS.get(self.value() or "")
        return queryset if period is None else queryset.filter(at__gte=platform_time.now() - period[1])


@admin.register(AuditEntry)
class AuditEntryAdmin(IndexedSearch, ShownRow, LongList, ReadOnlyAdmin):
    """Entries, the latest first. Nobody changes or deletes one."""

    detail_template = "admin/audit/auditentry/detail.html"
    list_display = ("time", "event_name", "organisation", "by", "device", "told")
    list_display_links = ("event_name",)
    list_filter = (EventFilter, TimeFilter, ByOrganisationFilter)
    ordering = ("-pk",)
    sortable_by = ()
    search_fields = ("device_identification",)
    search_help_text = "Device, actor, request id or correlation UID, in full"
    actions = None

    time = make_moment_column("at", "Time")

    def visible_to(self, queryset: QuerySet[Any], organisation: Organisation) -> QuerySet[Any]:
        return queryset.filter(organisation_identification=organisation.identification)

    def find(self, queryset: QuerySet[Any], term: str) -> QuerySet[Any]:
        """Each of these has an index; what is looked up by several is looked up once for each."""
        if uid := parse_uid(term):
            return queryset.filter(Q(correlation_uid=uid) | Q(request_id=term))
        return queryset.filter(Q(device_identification=term) | Q(actor=term) | Q(request_id=term))

    # --- List ---

    @admin.display(description="Event")
    def event_name(self, entry: AuditEntry) -> str:
        return entry.event_label

    @admin.display(description="Organisation", empty_value="–")
    def organisation(self, entry: AuditEntry) -> str | None:
        return entry.organisation_identification or None

    @admin.display(description="By")
    def by(self, entry: AuditEntry) -> str:
        return entry.actor

    @admin.display(description="Device", empty_value="–")
    def device(self, entry: AuditEntry) -> str | None:
        return entry.device_identification or None

    @admin.display(description="Details")
    def told(self, entry: AuditEntry) -> SafeString:
        """In a line; what was changed unfolds to the values before and after."""
        details = dict(entry.details)
        changes = details.pop("changes", None)
        line = format_html_join(
            " · ",
            '<span class="quiet">{}</span> {}',
            ((make_label(name), _shorten(value)) for name, value in redact(details).items()),
        )
        table = draw_changes(changes)
        if not table:
            return line
        names = ", ".join(make_label(name) for name in changes)
        return format_html("<details><summary>{} · {}</summary>{}</details>", line, names, table)

    # --- Page ---

    def describe(self, request: HttpRequest, row: AuditEntry) -> dict[str, Any]:
        """The entry, with its device and its request if they are still there and the user may see them."""
        organisation = get_organisation(request)
        devices = Device.objects.all() if organisation is None else list_visible_devices(organisation)
        requests = Request.objects.filter(correlation_uid__in=[row.correlation_uid])
        if organisation is not None:
            requests = requests.filter(organisation=organisation)
        may_see_device = row.device_identification and request.user.has_perm("devices.view_device")
        may_see_request = row.correlation_uid and request.user.has_perm("requests.view_request")
        return {
            "title": row.event_label,
            "details": show(_leave_out_changes(row.details)) if row.details else "",
            "changes": draw_changes(row.details.get("changes")),
            "device": (
                devices.filter(identification=row.device_identification).first() if may_see_device else None
            ),
            "its_request": requests.first() if may_see_request else None,
        }


def draw_changes(changes: Any) -> SafeString:
    """A table of values before and after; empty without any. Secrets are only said to be changed."""
    if not isinstance(changes, dict) or not changes:
        return SafeString("")
    rows = (
        (make_label(name), *map(_write_value, value))
        if isinstance(value, list) and len(value) == 2
        else (make_label(name), "", "changed")
        for name, value in changes.items()
    )
    head = "<thead><tr><th>Field</th><th>Before</th><th>After</th></tr></thead>"
    body = format_html_join("", "<tr><td>{}</td><td>{}</td><td>{}</td></tr>", rows)
    return format_html("<table>{}<tbody>{}</tbody></table>", mark_safe(head), body)  # noqa: S308 (a constant)


def _leave_out_changes(details: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in details.items() if name != "changes"}


def _write_value(value: Any) -> str:
    if value is None or value == "":
        return "–"
    return value if isinstance(value, str) else json.dumps(value)


def _shorten(value: Any) -> str:
    """One value of the details, for a line of the list; the page of the entry has it in full."""
    if value is None or value == []:
        return "–"
    if isinstance(value, list):
        return ", ".join(map(_shorten, value))
    text = str(value)
    return f"{text[:16]}…" if _FINGERPRINT.fullmatch(text) else Truncator(text).chars(80)
