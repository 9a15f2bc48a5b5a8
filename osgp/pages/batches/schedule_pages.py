"""Schedules: what is sent again and again, when next, and how it went lately."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path
from django.urls.resolvers import URLPattern
from django.utils.html import format_html
from django.utils.safestring import SafeString

from osgp import platform_time
from osgp.accounts.models import Organisation
from osgp.batches.models import Batch, RecurringRequest
from osgp.device_groups.models import DeviceGroup
from osgp.fleet import occurrences, schedule_submission, schedules
from osgp.pages.access import OrganisationScopedAdmin
from osgp.pages.batches import display
from osgp.pages.batches.forms import ChooseFleetForm, RecurringForm, fill_in
from osgp.pages.batches.schedule_text import add_local_times, describe_repetition, format_window
from osgp.pages.shared.display_text import NOTHING, count_rows, draw_badge, format_age, format_moment
from osgp.pages.shared.display_values import find_secret_fields, show
from osgp.pages.shared.filters import MessageFilter, OrganisationFilter
from osgp.pages.shared.lists import ListWithFigures, LiveList, LongList
from osgp.pages.shared.message_forms import describe_operation
from osgp.pages.shared.page import ShownRow, get_page_url, link_to, render_page, return_to_page
from osgp.pages.shared.search import IndexedSearch
from osgp.pages.shared.sending import make_caller, submit_form

NEXT = 5
"""Occurrences to come that a page shows."""
MOST_NAMED = 50
"""Devices of a list that a page names."""
LAST = 10
"""Past occurrences that a page shows."""


class StateFilter(admin.SimpleListFilter):
    """Active or paused, as the column of that name says."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        return [("active", "Active"), ("paused", "Paused")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(enabled=self.value() == "active") if self.value() else queryset


@admin.register(RecurringRequest)
class RecurringRequestAdmin(
    ListWithFigures, LiveList, IndexedSearch, ShownRow, LongList, OrganisationScopedAdmin
):
    """Created and changed on a page of its own, whose body goes the way of an API call."""

    detail_template = "admin/batches/recurringrequest/detail.html"
    list_display = (
        "state_badge",
        "name",
        "next_occurrence",
        "last_occurrence",
        "success",
        "message_name",
        "target",
        "repetition",
        "spread_window",
        "organisation",
    )
    list_display_links = ("name",)
    list_filter = (StateFilter, OrganisationFilter, MessageFilter)
    list_select_related = ("organisation", "group", "crontab", "interval")
    ordering = ("name", "pk")
    sortable_by = ("name", "next_occurrence")
    search_fields = ("name",)
    search_help_text = "Part of the name of the schedule or of its group"
    actions = ("pause_selected", "resume_selected")

    message_name = display.show_content

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Its batches stay; its devices are too many to be listed."""
        return [str(row) for row in objs], {"schedules": len(objs)}, set(), []

    # --- List ---

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        return lookup == "group__exact" or super().lookup_allowed(lookup, value, request)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        last = Batch.objects.filter(recurring=OuterRef("pk")).order_by("-occurrence").values("pk")[:1]
        rows: QuerySet[Any] = super().get_queryset(request)
        annotated: QuerySet[Any] = rows.annotate(last_batch=Subquery(last))
        return annotated

    def add_figures(self, rows: Sequence[Any]) -> None:
        """The last batch of each and how that went, and the size of lists: three queries."""
        keys = [row.last_batch for row in rows if row.last_batch]
        last = {batch.pk: batch for batch in Batch.objects.filter(pk__in=keys)}
        counts = display.load_progress(last.values())
        lists = [row.pk for row in rows if row.group_id is None]
        chosen = RecurringRequest.devices.through.objects.filter(recurringrequest__in=lists).order_by()
        sizes = dict(chosen.values_list("recurringrequest").annotate(number=Count("*")))
        for row in rows:
            row.last = last.get(row.last_batch)
            row.counts = counts.get(row.last_batch)
            row.number_of_devices = sizes.get(row.pk, 0)

    def find(self, queryset: QuerySet[Any], term: str) -> QuerySet[Any]:
        """By part of its name, or of that of its group: there are few schedules."""
        return queryset.filter(name__icontains=term) | queryset.filter(group__name__icontains=term)

    @admin.display(description="State", ordering="enabled")
    def state_badge(self, row: RecurringRequest) -> SafeString:
        return draw_badge("ACTIVE" if row.enabled else "PAUSED")

    @admin.display(description="Sent to")
    def target(self, row: Any) -> SafeString:
        return _link_target(row, row.number_of_devices)

    @admin.display(description="Repeats")
    def repetition(self, row: RecurringRequest) -> SafeString | str:
        return describe_repetition(row)

    @admin.display(description="Spread over")
    def spread_window(self, row: RecurringRequest) -> str:
        return format_window(row.spread)

    @admin.display(description="Next", ordering="next_at")
    def next_occurrence(self, row: RecurringRequest) -> SafeString:
        if row.next_at is None:
            return NOTHING
        moment, age = format_moment(row.next_at), format_age(row.next_at)
        return format_html('{} <span class="quiet">{}</span>', moment, age)

    @admin.display(description="Last")
    def last_occurrence(self, row: Any) -> SafeString:
        if row.last is None:
            return NOTHING
        return format_html(
            '<span class="last">{}{}</span>',
            link_to(row.last, format_moment(row.last.occurrence)),
            display.draw_bar(row.counts),
        )

    @admin.display(description="Success")
    def success(self, row: Any) -> str:
        return NOTHING if row.counts is None else display.format_rate(row.counts)

    # --- Actions ---

    @admin.action(description="Pause selected schedules", permissions=["change"])
    def pause_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        return self._set_enabled(request, queryset, False)

    @admin.action(description="Resume selected schedules", permissions=["change"])
    def resume_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        return self._set_enabled(request, queryset, True)

    def _set_enabled(
        self, request: HttpRequest, queryset: QuerySet[Any], enabled: bool
    ) -> HttpResponse | None:
        changed = 0
        rows = RecurringRequest.objects.filter(pk__in=queryset.values("pk"), enabled=not enabled)
        for row in rows.select_related("organisation", "crontab", "interval", "periodic_task"):
            try:
                schedule_submission.set_enabled(row, enabled)
            except occurrences.NeverDue as error:
                messages.error(request, f"{row}: {error}")
                continue
            self.log_change(request, row, "Resumed." if enabled else "Paused.")
            changed += 1
        if changed:
            verb = "resumed" if enabled else "paused"
            messages.success(request, f"{count_rows(changed, 'schedule')} {verb}.")
        else:
            messages.info(request, f"Already {'active' if enabled else 'paused'}.")
        return return_to_page(RecurringRequest, request)

    # --- Pages ---

    def get_urls(self) -> list[URLPattern]:
        edit = self.admin_site.admin_view(self.edit_view)
        return [
            path("<path:object_id>/edit/", edit, name="batches_recurringrequest_edit"),
            *super().get_urls(),
        ]

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Choose the message (GET), then fill in its parameters, the devices and the schedule (POST)."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        choose = ChooseFleetForm(request.GET, request=request)
        initial = {
            "group": request.GET.get("group", ""),
            "starts_at": platform_time.now().replace(microsecond=0),
        }
        return self._edit(request, choose, choose.chosen, initial, None)

    def edit_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Change everything but the organisation."""
        row = self.get_object(request, object_id)
        if not self.has_change_permission(request, row):
            raise PermissionDenied
        if row is None:
            return self.redirect_from_missing(request, object_id)
        assert isinstance(row, RecurringRequest)
        wanted = {
            "message": request.GET.get("message") or row.message,
            "organisation": str(row.organisation_id),
        }
        choose = ChooseFleetForm(wanted, request=request)
        return self._edit(request, choose, row.organisation, fill_in(row), row)

    def _edit(
        self,
        request: HttpRequest,
        choose: ChooseFleetForm,
        organisation: Organisation | None,
        initial: dict[str, Any],
        row: RecurringRequest | None,
    ) -> HttpResponse:
        operation = choose.operation
        form, upcoming = None, []
        if operation is not None and organisation is not None:
            posted = request.POST if request.method == "POST" else None
            groups = DeviceGroup.objects.filter(organisation=organisation)
            form = RecurringForm(posted, operation=operation, groups=groups, initial=initial)
            if posted is not None and form.is_valid():
                if "preview" in posted:
                    upcoming = _preview(form)
                elif (saved := _save(form, organisation, request, row)) is not None:
                    log = self.log_addition if row is None else self.log_change
                    log(request, saved, "Saved.")
                    _report_saved(request, saved)
                    return HttpResponseRedirect(get_page_url(RecurringRequest, saved.pk))
        return render_page(
            self,
            request,
            "admin/batches/recurringrequest/edit.html",
            title="New schedule" if row is None else f"Change {row.name}",
            choose=choose,
            form=form,
            original=row,
            operation=operation,
            upcoming=upcoming,
            description=describe_operation(operation),
            media=self.media,
        )

    def describe(self, request: HttpRequest, row: RecurringRequest) -> dict[str, Any]:
        """What it sends, when next, and how its last occurrences went."""
        batches = list(Batch.objects.filter(recurring=row).order_by("-occurrence")[:LAST])
        counts = display.load_progress(batches)
        number = (row.group.memberships if row.group else row.devices).count()
        return {
            "title": row.name,
            "target": _link_target(row, number),
            "number_of_devices": number,
            "devices": list(row.devices.order_by("identification")[:MOST_NAMED]) if row.group is None else [],
            "more_devices": max(0, number - MOST_NAMED),
            "repetition": describe_repetition(row),
            "cron": schedules.format_cron(row),
            "spread": format_window(row.spread),
            "limit": format_window(row.max_duration),
            "parameters": show(row.parameters, find_secret_fields(row.message)) if row.parameters else "",
            "upcoming": _list_upcoming(row),
            "last": [(batch, counts[batch.pk]) for batch in batches],
            "may_change": self.has_change_permission(request, row),
            "may_delete": self.has_delete_permission(request, row),
        }


def _link_target(row: RecurringRequest, number_of_devices: int) -> SafeString:
    return (
        display.describe_list(number_of_devices)
        if row.group is None
        else link_to(row.group, row.group, "group")
    )


def _list_upcoming(row: RecurringRequest) -> list[Mapping[str, Any]]:
    zone = "UTC" if row.crontab is None else str(row.crontab.timezone)
    return add_local_times(schedules.list_upcoming(row, NEXT), zone)


def _preview(form: RecurringForm) -> list[Mapping[str, Any]]:
    """The next occurrences of what was entered; what is wrong with it is shown at its fields."""
    body = form.build_body()
    names = set(schedule_submission.RecurrenceFields().fields)
    fields = schedule_submission.RecurrenceFields(data={name: body[name] for name in body if name in names})
    if not fields.is_valid():
        form.take_errors(fields.errors)
        return []
    upcoming = schedule_submission.find_next_occurrences(fields.validated_data, NEXT)
    return add_local_times(upcoming, body.get("time_zone", "UTC"))


def _save(
    form: RecurringForm, organisation: Organisation, request: HttpRequest, row: RecurringRequest | None
) -> RecurringRequest | None:
    """The stored row; None when it was refused, the reasons then being in the form."""
    caller = make_caller(organisation, request)
    return submit_form(form, lambda: schedule_submission.submit_schedule(caller, form.build_body(), row))


def _report_saved(request: HttpRequest, row: RecurringRequest) -> None:
    messages.success(request, f"The schedule “{row.name}” was saved.")
    if row.group is not None and not row.group.memberships.exists():
        text = f"The group {row.group} is empty: nothing is sent until it has devices."
        messages.warning(request, text)
