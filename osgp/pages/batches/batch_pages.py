"""The list of batches, the page of one, and what operators do with them: send, cancel, retry the failed."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.contrib import admin, messages
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.html import format_html
from django.utils.safestring import SafeString

from osgp.accounts.rights import list_visible_devices
from osgp.batches.models import OPEN_BATCH_STATES, Batch, BatchState, RecurringRequest, SkippedDevice
from osgp.device_groups.models import DeviceGroup
from osgp.devices.models import Device
from osgp.faults import Fault
from osgp.fleet import steering, submission
from osgp.fleet.progress import measure_progress
from osgp.pages.access import get_organisation
from osgp.pages.batches import display
from osgp.pages.batches.forms import BatchForm, ChooseFleetForm
from osgp.pages.batches.schedule_text import format_window
from osgp.pages.shared.columns import make_moment_column, show_state
from osgp.pages.shared.display_text import NOTHING, count_rows, format_duration
from osgp.pages.shared.display_values import find_secret_fields, show
from osgp.pages.shared.filters import MessageFilter, OrganisationFilter
from osgp.pages.shared.history import HistoryAdmin, NewMessage, Question
from osgp.pages.shared.lists import ListWithFigures, LiveList
from osgp.pages.shared.page import get_page_url, return_to_page
from osgp.pages.shared.search import IndexedSearch, parse_uid
from osgp.pages.shared.sending import make_caller
from osgp.requests.models import RequestState

SKIPPED_PER_PAGE = 20
MOST_RETRIES = 20
"""Batches to its failed devices that the page of a batch lists."""
CANCEL = Question(
    title="Cancel batches?",
    text="No more requests are created, and those that have not started are cancelled for good. "
    "Running requests are finished.",
    button="Cancel batches",
)
RETRY = Question(
    title="Retry failed devices?",
    text="Each batch is sent again, as a new batch, to the devices whose requests failed.",
    button="Retry failed devices",
)


@admin.register(Batch)
class BatchAdmin(ListWithFigures, LiveList, IndexedSearch, HistoryAdmin):
    """Batches are history: they are cancelled, or sent to their failed devices again as another batch."""

    detail_template = "admin/batches/batch/detail.html"
    confirm_template = "admin/batches/batch/confirm.html"
    new_template = "admin/batches/batch/new.html"
    most_at_once = most_named = 50
    list_display = (
        "state_badge",
        "message_name",
        "sent_to",
        "progress",
        "success",
        "failures",
        "skipped_devices",
        "created",
        "duration",
        "organisation",
    )
    list_display_links = ("message_name",)
    list_filter = (
        ("state", admin.ChoicesFieldListFilter),
        ("source", admin.ChoicesFieldListFilter),
        OrganisationFilter,
        MessageFilter,
    )
    list_select_related = ("organisation", "group", "recurring", "retry_of")
    ordering = ("-created_at", "-pk")
    sortable_by = ("created",)
    search_fields = ("uid",)
    search_help_text = "UID, or beginning of the name of a group or schedule"
    actions = ("cancel_selected", "retry_failed_selected")

    state_badge = show_state
    message_name = display.show_content
    created = make_moment_column("created_at", "Created", ordering="created_at")

    # --- List ---

    def add_figures(self, rows: Sequence[Any]) -> None:
        """One query more than other lists have."""
        counts = display.load_progress(rows)
        for batch in rows:
            batch.counts = counts[batch.pk]

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        return lookup in {"recurring__exact", "group__exact", "state__in"} or super().lookup_allowed(
            lookup, value, request
        )

    def find(self, queryset: QuerySet[Any], term: str) -> QuerySet[Any]:
        """By its UID, or those of groups and schedules whose name begins with the term."""
        uid = parse_uid(term)
        if uid is not None:
            return queryset.filter(uid=uid)
        groups = DeviceGroup.objects.filter(name__istartswith=term).values("pk")
        schedules = RecurringRequest.objects.filter(name__istartswith=term).values("pk")
        return queryset.filter(Q(group__in=groups) | Q(recurring__in=schedules))

    @admin.display(description="Sent to")
    def sent_to(self, batch: Batch) -> SafeString:
        return display.link_target(batch)

    @admin.display(description="Progress")
    def progress(self, batch: Any) -> SafeString:
        return display.draw_progress(batch.counts)

    @admin.display(description="Success")
    def success(self, batch: Any) -> str:
        return display.format_rate(batch.counts)

    @admin.display(description="Failed")
    def failures(self, batch: Any) -> SafeString:
        failed = batch.counts.states.get("FAILED", 0)
        if not failed:
            return NOTHING
        return format_html('<a href="{}">{}</a>', display.get_requests_url(batch, "FAILED"), f"{failed:,}")

    @admin.display(description="Skipped")
    def skipped_devices(self, batch: Batch) -> str:
        return f"{batch.skipped:,}" if batch.skipped else NOTHING

    @admin.display(description="Duration")
    def duration(self, batch: Batch) -> str:
        return format_duration(batch.completed_at - batch.created_at if batch.completed_at else None)

    # --- Actions ---

    @admin.action(description="Cancel selected batches", permissions=["cancel"])
    def cancel_selected(self, request: HttpRequest, queryset: QuerySet[Batch]) -> HttpResponse | None:
        if (question := self.ask(request, queryset, "cancel_selected", CANCEL)) is not None:
            return question
        cancelled = refused = 0
        for batch in queryset.order_by("pk")[: self.most_at_once]:
            try:
                steering.cancel(batch)
            except steering.NotInThisState:
                refused += 1
            else:
                cancelled += 1
                self.log_change(request, batch, "Cancelled.")
        if cancelled:
            text = f"{count_rows(cancelled, 'batch', 'batches')} cancelled; running requests are finished."
            messages.success(request, text)
        if refused:
            text = f"{count_rows(refused, 'batch', 'batches')} could not be cancelled: over already."
            messages.warning(request, text)
        return return_to_page(Batch, request)

    @admin.action(description="Retry failed devices of selected batches", permissions=["send"])
    def retry_failed_selected(self, request: HttpRequest, queryset: QuerySet[Batch]) -> HttpResponse | None:
        if (question := self.ask(request, queryset, "retry_failed_selected", RETRY)) is not None:
            return question
        retries: list[Batch] = []
        for batch in queryset.select_related("organisation").order_by("pk")[: self.most_at_once]:
            try:
                retry = steering.retry_failed(make_caller(batch.organisation, request), batch)
            except steering.NotInThisState as error:
                messages.warning(request, f"{batch}: {error}")
            except Fault as fault:
                messages.warning(request, f"{batch}: {fault.message}")
            else:
                retries.append(retry)
                self.log_addition(request, retry, f"Failed devices of {batch}.")
        if retries:
            devices = count_rows(sum(batch.total for batch in retries), "device")
            messages.success(
                request, f"{count_rows(len(retries), 'batch', 'batches')} created for {devices}."
            )
        if len(retries) == 1:
            return HttpResponseRedirect(get_page_url(Batch, retries[0].pk))
        return return_to_page(Batch, request)

    # --- Pages ---

    def prepare(self, request: HttpRequest) -> NewMessage:
        """Any message that may be the same for many devices, to a list or a group of them."""
        choose = ChooseFleetForm(request.GET, request=request)
        operation, organisation = choose.operation, choose.chosen
        if operation is None or organisation is None:
            return NewMessage(choose, operation)
        form = BatchForm(
            request.POST if request.method == "POST" else None,
            operation=operation,
            groups=DeviceGroup.objects.filter(organisation=organisation),
            initial={"group": request.GET.get("group", "")},
        )
        caller = make_caller(organisation, request)
        return NewMessage(choose, operation, form, lambda: submission.submit(caller, form.build_body()))

    def describe_sent(self, row: Batch) -> str:
        return f"{row.content} to {count_rows(row.total, 'device')}"

    def describe(self, request: HttpRequest, row: Batch) -> dict[str, Any]:
        """How far a batch is and how it goes."""
        counts = measure_progress(row)
        skipped = Paginator(SkippedDevice.objects.filter(batch=row), SKIPPED_PER_PAGE)
        page = skipped.get_page(request.GET.get("p"))
        has_failed = counts.states.get(RequestState.FAILED, 0) > 0
        return {
            "title": f"{row.content} to many devices",
            "counts": counts,
            "states": display.list_states(counts, row),
            "requests_url": display.get_requests_url(row),
            "failed_url": display.get_requests_url(row, RequestState.FAILED),
            "parameters": show(row.parameters, find_secret_fields(row.message)) if row.parameters else "",
            "spread": format_window(row.spread),
            "page": page,
            "page_range": skipped.get_elided_page_range(page.number),
            "skipped": _add_device_urls(page.object_list, request),
            "retries": list(row.retries.order_by("-pk")[:MOST_RETRIES]),
            "may_cancel": self.has_cancel_permission(request)
            and row.state in OPEN_BATCH_STATES
            and row.state != BatchState.CANCELLING,
            "may_retry": self.has_send_permission(request) and row.is_final and has_failed,
            "may_see_requests": request.user.has_perm("requests.view_request"),
        }


def _add_device_urls(rows: Iterable[SkippedDevice], request: HttpRequest) -> list[tuple[SkippedDevice, str]]:
    """Skipped devices, each with the address of its page if the user may see it."""
    skipped = list(rows)
    if not request.user.has_perm("devices.view_device"):
        return [(row, "") for row in skipped]
    organisation = get_organisation(request)
    devices = Device.objects.all() if organisation is None else list_visible_devices(organisation)
    names = [row.device_identification for row in skipped]
    keys = dict(devices.filter(identification__in=names).values_list("identification", "pk"))
    found = [keys.get(name) for name in names]
    return [
        (row, get_page_url(Device, key) if key is not None else "")
        for row, key in zip(skipped, found, strict=True)
    ]
