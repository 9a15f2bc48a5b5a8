"""Recurring requests: what is sent again and again, when next, and how it went lately."""

from collections.abc import Mapping
from itertools import islice
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.urls.resolvers import URLPattern
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from rest_framework.exceptions import ValidationError

from osgp.accounts.models import Organisation
from osgp.batches.models import Batch, RecurringRequest
from osgp.device_groups.models import DeviceGroup
from osgp.faults import Fault
from osgp.fleet import defining, occurrences, recurring
from osgp.pages.access import OrganisationScopedAdmin
from osgp.pages.batches import display
from osgp.pages.batches.batch_pages import description as _description
from osgp.pages.batches.forms import ChooseFleetForm, RecurringForm, as_filled_in
from osgp.pages.shared import display_text
from osgp.pages.shared import sending as admin_send
from osgp.pages.shared.display_values import secret_fields, show
from osgp.pages.shared.filters import MessageFilter, OrganisationFilter
from osgp.pages.shared.paging import LongList
from osgp.requests.submission import organisation_caller

NEXT = 5
"""Occurrences to come that a page shows."""
NAMED = 50
"""Devices of a list that a page names."""
LAST = 10
"""Occurrences that were that a page shows."""
RELATED = ("organisation", "group", "crontab", "interval")


class RecurringList(ChangeList):
    """A page of recurring requests, each with its last batch and how that went."""

    def get_results(self, request: HttpRequest) -> None:
        """Three queries more than other lists, however many rows there are on the page."""
        super().get_results(request)
        self.result_list = list(self.result_list)
        keys = [row.last_batch for row in self.result_list if row.last_batch]
        last = {batch.pk: batch for batch in Batch.objects.filter(pk__in=keys)}
        counts = display.progress_of(last.values())
        for row in self.result_list:
            row.last = last.get(row.last_batch)
            row.counts = counts.get(row.last_batch)
        lists = [row.pk for row in self.result_list if row.group_id is None]
        chosen = RecurringRequest.devices.through.objects.filter(recurringrequest__in=lists).order_by()
        sizes = dict(chosen.values_list("recurringrequest").annotate(number=Count("*")))
        for row in self.result_list:
            row.number_of_devices = sizes.get(row.pk, 0)


class StateFilter(admin.SimpleListFilter):
    """Active or paused, as the column of that name says."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        return [("active", "Active"), ("paused", "Paused")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(enabled=self.value() == "active") if self.value() else queryset


@admin.register(RecurringRequest)
class RecurringRequestAdmin(LongList, OrganisationScopedAdmin):
    """Created and changed on a page of its own, whose body goes the way of an API call."""

    list_display = (
        "active",
        "title",
        "next",
        "last_done",
        "success",
        "what",
        "to",
        "repeats",
        "spread_over",
        "organisation",
    )
    list_display_links = ("title",)
    list_filter = (StateFilter, OrganisationFilter, MessageFilter)
    list_select_related = RELATED
    ordering = ("name", "pk")
    sortable_by = ("title", "next")
    search_fields = ("name",)
    search_help_text = "Part of the name of the schedule or of its group"
    actions = ("pause_selected", "resume_selected")

    def visible_to(self, queryset: QuerySet[Any], organisation: Organisation) -> QuerySet[Any]:
        return queryset.filter(organisation=organisation)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Batches that it made stay; its devices are too many to be listed."""
        return [str(row) for row in objs], {"schedules": len(objs)}, set(), []

    # --- List ---

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        return lookup == "group__exact" or super().lookup_allowed(lookup, value, request)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """It keeps itself current, as long as nothing is chosen on it."""
        return super().changelist_view(request, {"live": 5, **(extra_context or {})})

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        last = Batch.objects.filter(recurring=OuterRef("pk")).order_by("-occurrence").values("pk")[:1]
        rows: QuerySet[Any] = super().get_queryset(request)
        annotated: QuerySet[Any] = rows.annotate(last_batch=Subquery(last))
        return annotated

    def get_changelist(self, request: HttpRequest, **options: Any) -> type[ChangeList]:
        return RecurringList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        return queryset.filter(name__icontains=term) | queryset.filter(group__name__icontains=term), False

    @admin.display(description="State", ordering="enabled")
    def active(self, row: RecurringRequest) -> SafeString:
        return display_text.badge("ACTIVE" if row.enabled else "PAUSED")

    @admin.display(description="Name", ordering="name")
    def title(self, row: RecurringRequest) -> str:
        return row.name

    @admin.display(description="Message")
    def what(self, row: RecurringRequest) -> SafeString:
        return display_text.breakable(row.message)

    @admin.display(description="To")
    def to(self, row: Any) -> SafeString:
        return _target(row, row.number_of_devices)

    @admin.display(description="Repeats")
    def repeats(self, row: RecurringRequest) -> SafeString | str:
        return display.schedule(row)

    @admin.display(description="Spread")
    def spread_over(self, row: RecurringRequest) -> str:
        return display.window(row.spread)

    @admin.display(description="Next", ordering="next_at")
    def next(self, row: RecurringRequest) -> SafeString:
        if row.next_at is None:
            return display_text.NOTHING
        moment, age = display_text.moment(row.next_at), display_text.age(row.next_at)
        return format_html('{} <span class="quiet">{}</span>', moment, age)

    @admin.display(description="Last")
    def last_done(self, row: Any) -> SafeString:
        if row.last is None:
            return display_text.NOTHING
        url = reverse("admin:batches_batch_change", args=[row.last.pk])
        return format_html(
            '<span class="last"><a href="{}">{}</a>{}</span>',
            url,
            display_text.moment(row.last.occurrence),
            display.bar(row.counts),
        )

    @admin.display(description="Success")
    def success(self, row: Any) -> str:
        return "–" if row.counts is None else display.rate(row.counts)

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
                defining.set_enabled(row, enabled)
            except occurrences.NeverDue as error:
                messages.error(request, f"{row}: {error}")
                continue
            self.log_change(request, row, "Resumed." if enabled else "Paused.")
            changed += 1
        verb = "resumed" if enabled else "paused"
        text = "1 schedule" if changed == 1 else f"{changed:,} schedules"
        messages.success(request, f"{text} {verb}.") if changed else messages.info(
            request, f"They were {verb} already."
        )
        back = request.POST.get("back", "")
        if back.isdigit():
            return HttpResponseRedirect(reverse("admin:batches_recurringrequest_change", args=[back]))
        return None

    # --- Pages ---

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        name = "batches_recurringrequest"
        return [
            path("<path:object_id>/change/", view(self.detail_view), name=f"{name}_change"),
            path("<path:object_id>/edit/", view(self.edit_view), name=f"{name}_edit"),
            *super().get_urls(),
        ]

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Choose the message (GET), then fill in its parameters, the devices and the schedule (POST)."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        chosen = ChooseFleetForm(request.GET, request=request)
        initial = {"group": request.GET.get("group", ""), "starts_at": timezone.now().replace(microsecond=0)}
        return self._edit(request, chosen, chosen.chosen, chosen.operation(), initial, None)

    def edit_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Change everything but the organisation."""
        row = self._found(request, object_id)
        if not self.has_change_permission(request, row):
            raise PermissionDenied
        if row is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)  # type: ignore[attr-defined, no-any-return]
        wanted = {
            "message": request.GET.get("message") or row.message,
            "organisation": str(row.organisation_id),
        }
        chosen = ChooseFleetForm(wanted, request=request)
        return self._edit(request, chosen, row.organisation, chosen.operation(), as_filled_in(row), row)

    def _edit(
        self,
        request: HttpRequest,
        chosen: ChooseFleetForm,
        organisation: Organisation | None,
        operation: Any,
        initial: dict[str, Any],
        row: RecurringRequest | None,
    ) -> HttpResponse:
        form, coming = None, []
        if operation is not None and organisation is not None:
            posted = request.POST if request.method == "POST" else None
            groups = DeviceGroup.objects.filter(organisation=organisation)
            form = RecurringForm(posted, operation=operation, groups=groups, initial=initial)
            if posted is not None and form.is_valid():
                if "preview" in posted:
                    coming = _preview(form)
                else:
                    saved = _define(form, organisation, request, row)
                    if saved is not None:
                        log = self.log_addition if row is None else self.log_change
                        log(request, saved, "Saved.")
                        messages.success(request, f"The schedule “{saved.name}” was saved.")
                        if saved.group is not None and not saved.group.memberships.exists():
                            text = (
                                f"The group {saved.group} is empty: nothing is sent until devices are in it."
                            )
                            messages.warning(request, text)
                        url = reverse("admin:batches_recurringrequest_change", args=[saved.pk])
                        return HttpResponseRedirect(url)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "New schedule" if row is None else f"Change {row.name}",
            "choose": chosen,
            "form": form,
            "original": row,
            "operation": operation,
            "coming": coming,
            "description": _description(operation),
            "media": self.media,
        }
        return TemplateResponse(request, "admin/batches/recurringrequest/edit.html", context)

    def detail_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """What it sends, when next, and how its last occurrences went."""
        row = self._found(request, object_id)
        if not self.has_view_permission(request, row) or request.method not in {"GET", "HEAD"}:
            raise PermissionDenied
        if row is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)  # type: ignore[attr-defined, no-any-return]
        batches = list(Batch.objects.filter(recurring=row).order_by("-occurrence")[:LAST])
        counts = display.progress_of(batches)
        parameters = show(row.parameters, secret_fields(row.message)) if row.parameters else ""
        number = (row.group.memberships if row.group else row.devices).count()
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": row.name,
            "original": row,
            "target": _target(row, number),
            "number_of_devices": number,
            "devices": list(row.devices.order_by("identification")[:NAMED]) if row.group is None else [],
            "more_devices": max(0, number - NAMED),
            "repeats": display.schedule(row),
            "cron": display.cron_text(row),
            "spread": display.window(row.spread),
            "limit": display.window(row.max_duration),
            "parameters": parameters,
            "coming": _coming(row),
            "last": [
                (batch, display.done(counts[batch.pk]), display.rate(counts[batch.pk])) for batch in batches
            ],
            "may_change": self.has_change_permission(request, row),
            "may_delete": self.has_delete_permission(request, row),
        }
        return TemplateResponse(request, "admin/batches/recurringrequest/detail.html", context)

    def _found(self, request: HttpRequest, object_id: str) -> RecurringRequest | None:
        row = self.get_object(request, object_id)
        return row if isinstance(row, RecurringRequest) else None


def _target(row: RecurringRequest, number_of_devices: int) -> SafeString:
    if row.group is not None:
        url = reverse("admin:devices_devicegroup_change", args=[row.group_id])
        return format_html('<span class="quiet">group</span> <a href="{}">{}</a>', url, row.group)
    return display.list_of(number_of_devices)


def _coming(row: RecurringRequest) -> list[Mapping[str, Any]]:
    if row.next_at is None:
        return []
    zone = "UTC" if row.crontab is None else str(row.crontab.timezone)
    schedule = recurring.schedule_of(row)
    try:
        later = list(islice(occurrences.after(schedule, row.next_at, anchor=row.starts_at), NEXT - 1))
    except occurrences.NeverDue:
        later = []
    return display.occurrences([row.next_at, *later], zone)


def _preview(form: RecurringForm) -> list[Mapping[str, Any]]:
    """The next occurrences of what was entered; what is wrong with it is told at its fields."""
    body = form.body()
    names = set(defining.ScheduleFields().fields)
    fields = defining.ScheduleFields(data={name: body[name] for name in body if name in names})
    if not fields.is_valid():
        form.take_errors(fields.errors)
        return []
    coming = defining.next_occurrences(fields.validated_data, NEXT)
    return display.occurrences(coming, body.get("time_zone", "UTC"))


def _define(
    form: RecurringForm, organisation: Organisation, request: HttpRequest, row: RecurringRequest | None
) -> RecurringRequest | None:
    """The stored row; None when it was refused, the reasons then being in the form."""
    caller = organisation_caller(organisation, admin_send.sender(request.user.get_username()))
    try:
        return defining.define(caller, form.body(), row)
    except ValidationError as error:
        form.take_errors(error.detail)
    except Fault as fault:
        form.take_fault(fault)
    return None
