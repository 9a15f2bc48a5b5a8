"""The list of batches, the page of one, and what operators do with them: send, cancel, retry the failed."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.urls.resolvers import URLPattern
from django.utils.html import format_html
from django.utils.safestring import SafeString
from rest_framework.exceptions import ValidationError

from osgp.accounts.models import Organisation
from osgp.accounts.rights import visible_devices
from osgp.batches.models import OPEN_BATCH_STATES, Batch, SkippedDevice
from osgp.device_groups.models import DeviceGroup
from osgp.devices.models import Device
from osgp.faults import Fault
from osgp.fleet import steering, submission
from osgp.fleet.progress import progress
from osgp.pages.access import ReadOnlyAdmin, organisation_of
from osgp.pages.batches import display
from osgp.pages.batches.forms import BatchForm, ChooseFleetForm
from osgp.pages.batches.search import batches as search_batches
from osgp.pages.shared import display_text
from osgp.pages.shared import sending as admin_send
from osgp.pages.shared.display_values import secret_fields, show
from osgp.pages.shared.filters import MessageFilter, OrganisationFilter
from osgp.pages.shared.paging import LongList
from osgp.requests.submission import organisation_caller

NAMED = 20
"""Batches that a confirmation names, and left out devices that a page names."""
MOST_AT_ONCE = 50
"""Batches that one click may steer."""


class BatchList(ChangeList):
    """A page of batches with their progress."""

    def get_results(self, request: HttpRequest) -> None:
        """One query more than other lists, however many batches there are on the page."""
        super().get_results(request)
        self.result_list = list(self.result_list)
        counts = display.progress_of(self.result_list)
        for batch in self.result_list:
            batch.counts = counts[batch.pk]


@admin.register(Batch)
class BatchAdmin(LongList, ReadOnlyAdmin):
    """Batches are history: they are cancelled, or their failed requests sent again as another batch."""

    list_display = (
        "state_badge",
        "what",
        "target",
        "done",
        "success",
        "failures",
        "left_out",
        "made",
        "took",
        "organisation",
    )
    list_display_links = ("what",)
    list_filter = (
        ("state", admin.ChoicesFieldListFilter),
        ("source", admin.ChoicesFieldListFilter),
        OrganisationFilter,
        MessageFilter,
    )
    list_select_related = ("organisation", "group", "recurring", "retry_of")
    ordering = ("-created_at", "-pk")
    sortable_by = ("made",)
    search_fields = ("uid",)
    search_help_text = "UID, or beginning of the name of a group or schedule"
    actions = ("cancel_selected", "retry_failed_selected")

    # --- Who may what ---

    def visible_to(self, queryset: QuerySet[Any], organisation: Organisation) -> QuerySet[Any]:
        return queryset.filter(organisation=organisation)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """To send batches; they are never added in any other way."""
        return admin.ModelAdmin.has_add_permission(self, request)

    def has_send_permission(self, request: HttpRequest) -> bool:
        """Who may send batches may send the failed part of one again."""
        return self.has_add_permission(request)

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        """Cancelling is all that the permission to change batches allows."""
        return request.user.has_perm("batches.change_batch")

    # --- List ---

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """It keeps itself current, as long as nothing is chosen on it."""
        return super().changelist_view(request, {"live": 5, **(extra_context or {})})

    def get_changelist(self, request: HttpRequest, **options: Any) -> type[ChangeList]:
        return BatchList

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        return lookup in {"recurring__exact", "group__exact", "state__in"} or super().lookup_allowed(
            lookup, value, request
        )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        return search_batches(queryset, search_term), False

    @admin.display(description="State")
    def state_badge(self, batch: Batch) -> SafeString:
        return display_text.badge(batch.state)

    @admin.display(description="Message")
    def what(self, batch: Batch) -> SafeString:
        return display_text.breakable(batch.message)

    @admin.display(description="To")
    def target(self, batch: Batch) -> SafeString | str:
        return display.target(batch)

    @admin.display(description="Done")
    def done(self, batch: Any) -> SafeString:
        return display.done(batch.counts)

    @admin.display(description="Success")
    def success(self, batch: Any) -> str:
        return display.rate(batch.counts)

    @admin.display(description="Failed")
    def failures(self, batch: Any) -> SafeString:
        failed = batch.counts.states.get("FAILED", 0)
        if not failed:
            return display_text.NOTHING
        return format_html('<a href="{}">{}</a>', display.requests_url(batch, "FAILED"), f"{failed:,}")

    @admin.display(description="Left out")
    def left_out(self, batch: Batch) -> SafeString | str:
        return f"{batch.skipped:,}" if batch.skipped else display_text.NOTHING

    @admin.display(description="Created", ordering="created_at")
    def made(self, batch: Batch) -> SafeString:
        return display_text.moment(batch.created_at)

    @admin.display(description="Took")
    def took(self, batch: Batch) -> str:
        if batch.completed_at is None:
            return "–"
        return display_text.duration(batch.completed_at - batch.created_at)

    # --- Actions ---

    @admin.action(description="Cancel selected batches", permissions=["cancel"])
    def cancel_selected(self, request: HttpRequest, queryset: QuerySet[Batch]) -> HttpResponse | None:
        if "confirmed" not in request.POST:
            return self._confirm(
                request,
                queryset,
                "cancel_selected",
                title="Cancel batches?",
                text="No more requests are made, and those that have not started are cancelled for good. "
                "Requests that run are finished.",
                button="Cancel them",
            )
        cancelled = refused = 0
        for batch in queryset.order_by("pk")[:MOST_AT_ONCE]:
            try:
                steering.cancel(batch)
            except steering.NotInThisState:
                refused += 1
            else:
                cancelled += 1
                self.log_change(request, batch, "Cancelled.")
        if cancelled:
            messages.success(request, f"{_batches(cancelled)} cancelled; requests that run now are finished.")
        if refused:
            messages.warning(request, f"{_batches(refused)} could not be cancelled: over already.")
        return _back(request)

    @admin.action(description="Send to the failed devices again", permissions=["send"])
    def retry_failed_selected(self, request: HttpRequest, queryset: QuerySet[Batch]) -> HttpResponse | None:
        if "confirmed" not in request.POST:
            return self._confirm(
                request,
                queryset,
                "retry_failed_selected",
                title="Send to the failed devices again?",
                text="Each becomes a new batch with the same message, for the devices whose requests failed.",
                button="Send again",
            )
        made: list[Batch] = []
        for batch in queryset.select_related("organisation").order_by("pk")[:MOST_AT_ONCE]:
            caller = organisation_caller(batch.organisation, admin_send.sender(request.user.get_username()))
            try:
                again = steering.retry_failed(caller, batch)
            except steering.NotInThisState as error:
                messages.warning(request, f"{batch}: {error}")
            except Fault as fault:
                messages.warning(request, f"{batch}: {fault.message}")
            else:
                made.append(again)
                self.log_addition(request, again, f"Failed devices of {batch}.")
        if made:
            devices = sum(batch.total for batch in made)
            messages.success(request, f"{_batches(len(made))} made for {devices:,} devices.")
        if len(made) == 1:
            return HttpResponseRedirect(reverse("admin:batches_batch_change", args=[made[0].pk]))
        return _back(request)

    def _confirm(
        self, request: HttpRequest, queryset: QuerySet[Batch], action: str, **texts: str
    ) -> HttpResponse:
        named = list(queryset.select_related(*self.list_select_related).order_by("-pk")[:MOST_AT_ONCE])
        counts = display.progress_of(named)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "action": action,
            "back": back if (back := request.POST.get("back", "")).isdigit() else "",
            "chosen": [
                {
                    "batch": batch,
                    "target": display.target(batch),
                    "done": display.done(counts[batch.pk]),
                    "failed": counts[batch.pk].states.get("FAILED", 0),
                }
                for batch in named
            ],
            **texts,
        }
        return TemplateResponse(request, "admin/batches/batch/confirm.html", context)

    # --- Pages ---

    def get_urls(self) -> list[URLPattern]:
        return [
            path(
                "<path:object_id>/change/",
                self.admin_site.admin_view(self.detail_view),
                name="batches_batch_change",
            ),
            *super().get_urls(),
        ]

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Any message that may be the same for many devices, to a list or a group of them."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        chosen = ChooseFleetForm(request.GET, request=request)
        operation, organisation = chosen.operation(), chosen.chosen
        form = None
        if operation is not None and organisation is not None:
            form = BatchForm(
                request.POST if request.method == "POST" else None,
                operation=operation,
                groups=DeviceGroup.objects.filter(organisation=organisation),
                initial={"group": request.GET.get("group", "")},
            )
            if request.method == "POST" and form.is_valid():
                sent = _submit(form, organisation, request)
                if sent is not None:
                    self.log_addition(request, sent, "Sent from the admin.")
                    messages.success(request, f"{sent.message} to {sent.total:,} devices was accepted.")
                    return HttpResponseRedirect(reverse("admin:batches_batch_change", args=[sent.pk]))
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "New batch",
            "choose": chosen,
            "form": form,
            "operation": operation,
            "description": description(operation),
            "media": self.media,
        }
        return TemplateResponse(request, "admin/batches/batch/new.html", context)

    def detail_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """How far a batch is and how it goes. Nothing can be posted to it."""
        batch = self.get_object(request, object_id)
        if not self.has_view_permission(request, batch) or request.method not in {"GET", "HEAD"}:
            raise PermissionDenied
        if batch is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)  # type: ignore[attr-defined, no-any-return]
        assert isinstance(batch, Batch)
        counts = progress(batch)
        skipped = Paginator(SkippedDevice.objects.filter(batch=batch), NAMED)
        page = skipped.get_page(request.GET.get("p"))
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"{batch.message} to many devices",
            "original": batch,
            "target": display.target(batch),
            "counts": counts,
            "bar": display.bar(counts),
            "rate": display.rate(counts),
            "states": display.states(counts, batch),
            "requests_url": display.requests_url(batch),
            "failed_url": display.requests_url(batch, "FAILED"),
            "parameters": show(batch.parameters, secret_fields(batch.message)) if batch.parameters else "",
            "spread": display.window(batch.spread),
            "page": page,
            "page_range": skipped.get_elided_page_range(page.number),
            "skipped": _with_devices(page.object_list, request),
            "retries": list(batch.retries.order_by("-pk")[:NAMED]),
            "may_cancel": self.has_cancel_permission(request)
            and batch.state in OPEN_BATCH_STATES
            and batch.state != "CANCELLING",
            "may_retry": self.has_send_permission(request)
            and batch.is_final
            and counts.states.get("FAILED", 0) > 0,
            "may_see_requests": request.user.has_perm("requests.view_request"),
        }
        return TemplateResponse(request, "admin/batches/batch/detail.html", context)


def _submit(form: BatchForm, organisation: Organisation, request: HttpRequest) -> Batch | None:
    """The stored batch; None when it was refused, the reasons then being in the form."""
    caller = organisation_caller(organisation, admin_send.sender(request.user.get_username()))
    try:
        with transaction.atomic():
            return submission.submit(caller, form.body())
    except ValidationError as error:
        form.take_errors(error.detail)
    except Fault as fault:
        form.take_fault(fault)
    return None


def _with_devices(rows: Iterable[SkippedDevice], request: HttpRequest) -> list[tuple[SkippedDevice, str]]:
    """Devices that were left out, each with the address of its page if the user may see it."""
    skipped = list(rows)
    if not request.user.has_perm("devices.view_device"):
        return [(row, "") for row in skipped]
    organisation = organisation_of(request)
    devices = Device.objects.all() if organisation is None else visible_devices(organisation)
    names = [row.device_identification for row in skipped]
    keys = dict(devices.filter(identification__in=names).values_list("identification", "pk"))
    found = [keys.get(name) for name in names]
    return [
        (row, reverse("admin:devices_device_change", args=[key]) if key is not None else "")
        for row, key in zip(skipped, found, strict=True)
    ]


def description(operation: Any) -> str:
    """What API users read about a message, without the marks of its markup."""
    return " ".join((type(operation).__doc__ or "").replace("`", "").split()) if operation is not None else ""


def _back(request: HttpRequest) -> HttpResponse | None:
    """To the page of the batch from which the button was pressed, if it was one."""
    back = request.POST.get("back", "")
    return (
        HttpResponseRedirect(reverse("admin:batches_batch_change", args=[back])) if back.isdigit() else None
    )


def _batches(number: int) -> str:
    return "1 batch" if number == 1 else f"{number:,} batches"
