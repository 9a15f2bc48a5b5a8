"""The list of requests, the page of one, and what operators do with them: cancel, send again, send new."""

from collections import Counter
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.urls.resolvers import URLPattern
from django.utils.html import format_html
from django.utils.safestring import SafeString
from rest_framework.exceptions import ValidationError

from osgp.accounts.models import Organisation
from osgp.faults import Fault
from osgp.pages.access import ReadOnlyAdmin, organisation_of
from osgp.pages.requests.new_request import new_request
from osgp.pages.requests.timeline import MOST_SESSIONS, sessions_around, timeline
from osgp.pages.shared import display_text
from osgp.pages.shared import sending as admin_send
from osgp.pages.shared.display_values import secret_fields, show
from osgp.pages.shared.filters import BatchFilter, MessageFilter, OrganisationFilter, PeriodFilter
from osgp.pages.shared.paging import LongList
from osgp.pages.shared.search import by_uid_or_device
from osgp.requests.models import WAITING_STATES, Action, MeterSession, Request

ACTIONS_PER_PAGE = 25
NAMED = 20
"""Requests that a confirmation names one by one."""


@admin.register(Request)
class RequestAdmin(LongList, ReadOnlyAdmin):
    """Requests are history: nothing about them is edited; they are cancelled, or sent anew."""

    list_display = (
        "state_badge",
        "what",
        "device_link",
        "made",
        "due_or_took",
        "fault_text",
        "attempts",
        "urgency",
        "organisation",
    )
    list_display_links = ("what",)
    list_filter = (
        ("state", admin.ChoicesFieldListFilter),
        PeriodFilter,
        OrganisationFilter,
        MessageFilter,
        BatchFilter,
    )
    list_select_related = ("organisation",)
    ordering = ("-pk",)
    sortable_by = ("made",)
    search_fields = ("correlation_uid",)
    search_help_text = "Correlation UID or device identification, in full"
    actions = ("cancel_selected", "send_again_selected")

    # --- Who may what ---

    def visible_to(self, queryset: QuerySet[Any], organisation: Organisation) -> QuerySet[Any]:
        return queryset.filter(organisation=organisation)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """To send requests; they are never added in any other way."""
        return admin.ModelAdmin.has_add_permission(self, request)

    def has_send_permission(self, request: HttpRequest) -> bool:
        """Who may send requests may send them again."""
        return self.has_add_permission(request)

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        """Cancelling is all that the permission to change requests allows."""
        return request.user.has_perm("requests.change_request")

    # --- List ---

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        return by_uid_or_device(queryset, search_term), False

    @admin.display(description="State")
    def state_badge(self, item: Request) -> SafeString:
        return display_text.badge(item.state)

    @admin.display(description="Message")
    def what(self, item: Request) -> SafeString:
        return display_text.breakable(item.message)

    @admin.display(description="Device")
    def device_link(self, item: Request) -> SafeString | str:
        return device_link(item)

    @admin.display(description="Priority")
    def urgency(self, item: Request) -> SafeString | str:
        """The given priority, and what retries left of it."""
        if item.effective_priority == item.priority:
            return str(item.priority)
        return format_html(
            '{} <span class="quiet" title="Lowered by retries">now {}</span>',
            item.priority,
            item.effective_priority,
        )

    @admin.display(description="Created", ordering="pk")
    def made(self, item: Request) -> SafeString:
        return display_text.moment(item.created_at)

    @admin.display(description="Due / took")
    def due_or_took(self, item: Request) -> SafeString | str:
        if item.state in WAITING_STATES:
            due = display_text.age(item.due_at)
            return format_html('<span class="quiet">due</span> <span class="length">{}</span>', due)
        if item.completed_at is not None:
            took = display_text.duration(item.completed_at - item.created_at)
            return format_html('<span class="length">{}</span>', took)
        return display_text.NOTHING

    @admin.display(description="Fault")
    def fault_text(self, item: Request) -> SafeString:
        return display_text.fault_summary(item.fault)

    # --- Actions ---

    @admin.action(description="Cancel selected requests", permissions=["cancel"])
    def cancel_selected(self, request: HttpRequest, queryset: QuerySet[Request]) -> HttpResponse | None:
        if "confirmed" not in request.POST:
            return self._confirm(
                request,
                queryset,
                "cancel_selected",
                title="Cancel requests?",
                text="Requests that have not started are cancelled for good. Those that run or are final "
                "stay as they are.",
                button="Cancel them",
            )
        numbers = queryset.order_by("pk").values_list("pk", flat=True)[: admin_send.MOST_AT_ONCE]
        chosen = list(numbers)
        cancelled = admin_send.cancel_all(chosen)
        if cancelled:
            LogEntry.objects.log_actions(
                request.user.pk,  # type: ignore[arg-type]
                Request.objects.filter(pk__in=cancelled),
                CHANGE,
                change_message="Cancelled.",
            )
            messages.success(request, f"{_requests(len(cancelled))} cancelled.")
        refused = len(chosen) - len(cancelled)
        if refused:
            messages.warning(
                request, f"{_requests(refused)} could not be cancelled: running or final already."
            )
        return _back(request)

    @admin.action(description="Send again (as new requests)", permissions=["send"])
    def send_again_selected(self, request: HttpRequest, queryset: QuerySet[Request]) -> HttpResponse | None:
        if "confirmed" not in request.POST:
            return self._confirm(
                request,
                queryset,
                "send_again_selected",
                title="Send requests again?",
                text="Each becomes a new request with the same message, device and parameters, due now.",
                button="Send them again",
            )
        chosen = list(queryset.select_related("organisation", "device")[: admin_send.MOST_AT_ONCE])
        problems: Counter[str] = Counter()
        sent: list[Request] = []
        for original in chosen:
            try:
                sent.append(admin_send.send_again(original, request.user.get_username()))
            except Fault as fault:
                problems[f"fault {int(fault.code)}: {fault.message}"] += 1
            except ValidationError:
                problems["its parameters are not valid any more"] += 1
        if sent:
            messages.success(request, f"{_requests(len(sent))} sent again.")
        for text, number in problems.most_common(5):
            messages.warning(request, f"{_requests(number)} not sent again: {text}")
        if len(chosen) == 1 and sent:
            return HttpResponseRedirect(reverse("admin:requests_request_change", args=[sent[0].pk]))
        return _back(request)

    def _confirm(
        self, request: HttpRequest, queryset: QuerySet[Request], action: str, **texts: str
    ) -> HttpResponse:
        selected = request.POST.getlist("_selected_action")
        across = request.POST.get("select_across") == "1"
        count = self.get_paginator(request, queryset, 1).count if across else len(selected)
        return TemplateResponse(
            request,
            "admin/requests/request/confirm.html",
            {
                **self.admin_site.each_context(request),
                "opts": self.opts,
                "action": action,
                "back": back if (back := request.POST.get("back", "")).isdigit() else "",
                "selected": [] if across else selected,
                "select_across": across,
                "first_selected": selected[0] if selected else "",
                "count": count,
                "most": admin_send.MOST_AT_ONCE,
                "named": queryset.select_related("organisation")[:NAMED],
                **texts,
            },
        )

    # --- Pages ---

    def get_urls(self) -> list[URLPattern]:
        return [
            path(
                "<path:object_id>/change/",
                self.admin_site.admin_view(self.detail_view),
                name="requests_request_change",
            ),
            *super().get_urls(),
        ]

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Any registered message to a device."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        return new_request(self, request)

    def detail_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Everything about one request. Nothing can be posted to it."""
        item = self.get_object(request, object_id)
        if not self.has_view_permission(request, item) or request.method not in {"GET", "HEAD"}:
            raise PermissionDenied
        if item is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)  # type: ignore[attr-defined, no-any-return]
        actions = Paginator(
            Action.objects.filter(request=item).select_related("device").order_by("position"),
            ACTIONS_PER_PAGE,
        )
        page = actions.get_page(request.GET.get("p"))
        sessions = list(sessions_around(item)[:MOST_SESSIONS])
        states = Action.objects.filter(request=item).order_by().values_list("state")
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"{item.message} to {item.device_identification}",
            "original": item,
            "batch": item.batch,
            "events": timeline(item, sessions, page.object_list if actions.count == 1 else ()),
            "visible_sessions": visible_sessions(sessions, organisation_of(request)),
            "page": page,
            "page_range": actions.get_elided_page_range(page.number),
            "action_states": list(states.annotate(number=Count("pk")).order_by("state")),
            "actions_shown": [shown_action(action, expand=actions.count == 1) for action in page.object_list],
            "may_cancel": self.has_cancel_permission(request) and item.state in WAITING_STATES,
            "may_send": self.has_send_permission(request),
            "may_see_device": request.user.has_perm("devices.view_device"),
        }
        return TemplateResponse(request, "admin/requests/request/detail.html", context)


def device_link(item: Request) -> SafeString | str:
    """The device, which may not exist (yet)."""
    if item.device_id is None:
        return item.device_identification
    url = reverse("admin:devices_device_change", args=[item.device_id])
    return format_html('<a href="{}">{}</a>', url, item.device_identification)


def shown_action(action: Action, *, expand: bool) -> dict[str, Any]:
    """An action as its page shows it: secrets are gone before a template sees it."""
    secrets = secret_fields(action.message)
    took = None
    if action.started_at is not None and action.finished_at is not None:
        took = action.finished_at - action.started_at
    return {
        "position": action.position,
        "message": action.message,
        "device": action.device,
        "state": action.state,
        "took": took,
        "parameters": show(action.parameters, secrets) if action.parameters else "",
        "result": show(action.result, secrets) if action.result is not None else "",
        "fault": action.fault,
        "open": expand or action.fault is not None,
    }


def visible_sessions(sessions: list[MeterSession], organisation: Organisation | None) -> set[Any]:
    """Which sessions the user may open."""
    numbers = [session.pk for session in sessions]
    if organisation is None:
        return set(numbers)
    from osgp.pages.requests.visit_pages import sessions_of

    rows = sessions_of(MeterSession.objects.filter(pk__in=numbers), organisation)
    return set(rows.values_list("pk", flat=True))


def _back(request: HttpRequest) -> HttpResponse | None:
    """To the page of the request from which the button was pressed, if it was one."""
    back = request.POST.get("back", "")
    if not back.isdigit():
        return None
    return HttpResponseRedirect(reverse("admin:requests_request_change", args=[back]))


def _requests(number: int) -> str:
    return "1 request" if number == 1 else f"{number:,} requests"
