"""The list of requests, the page of one, and what operators do with them: cancel, send again, send new."""

from collections import Counter
from datetime import datetime
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.paginator import Paginator
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.dateparse import parse_datetime
from django.utils.html import format_html
from django.utils.safestring import SafeString
from rest_framework.exceptions import ValidationError

from osgp.accounts.models import Organisation
from osgp.devices.models import Device
from osgp.faults import Fault
from osgp.messages.operation import MeterOperation
from osgp.messages.registry import UnknownMessage, find_operation
from osgp.pages.access import get_organisation
from osgp.pages.notifications.told import describe_deliveries
from osgp.pages.requests.new_request import prepare_request
from osgp.pages.requests.probing import ProbingAdmin, describe_findings, may_apply
from osgp.pages.requests.results import ResultAdmin, load_actions, parse, show_result
from osgp.pages.requests.steering import cancel_all, send_again
from osgp.pages.requests.timeline import MOST_VISITS, build_timeline, find_visits
from osgp.pages.requests.visit_pages import limit_visits
from osgp.pages.shared.columns import make_moment_column, show_fault, show_message, show_state
from osgp.pages.shared.display_text import NOTHING, count_rows, format_age, format_duration
from osgp.pages.shared.display_values import find_secret_fields, show
from osgp.pages.shared.filters import (
    BatchFilter,
    CompletedFilter,
    FaultFilter,
    MessageFilter,
    OrganisationFilter,
    PeriodFilter,
)
from osgp.pages.shared.history import HistoryAdmin, NewMessage, Question
from osgp.pages.shared.page import get_page_url, return_to_page
from osgp.pages.shared.search import IndexedSearch, parse_uid
from osgp.requests.models import WAITING_STATES, Action, MeterSession, Request
from osgp.requests.result_texts import ResultText

ACTIONS_PER_PAGE = 25
CANCEL = Question(
    title="Cancel requests?",
    text="Requests that have not started are cancelled for good. Those that are running or final stay as "
    "they are.",
    button="Cancel requests",
)
SEND_AGAIN = Question(
    title="Send requests again?",
    text="Each is sent again as a new request with the same message, device and parameters, due now.",
    button="Send again",
)


@admin.register(Request)
class RequestAdmin(IndexedSearch, ResultAdmin, ProbingAdmin, HistoryAdmin):
    """Requests are history: nothing about them is edited; they are cancelled, or sent anew."""

    detail_template = "admin/requests/request/detail.html"
    confirm_template = "admin/requests/request/confirm.html"
    new_template = "admin/requests/request/new.html"
    most_at_once = 10_000
    list_display = (
        "state_badge",
        "message_name",
        "device_link",
        "created",
        "due_or_duration",
        "fault_text",
        "attempts",
        "current_priority",
        "organisation",
    )
    list_display_links = ("message_name",)
    list_filter = (
        ("state", admin.ChoicesFieldListFilter),
        PeriodFilter,
        CompletedFilter,
        OrganisationFilter,
        MessageFilter,
        FaultFilter,
        BatchFilter,
    )
    list_select_related = ("organisation",)
    ordering = ("-pk",)
    sortable_by = ("created",)
    search_fields = ("correlation_uid",)
    search_help_text = "Correlation UID or device identification, in full"
    actions = ("cancel_selected", "send_again_selected")

    state_badge = show_state
    message_name = show_message
    fault_text = show_fault
    # Requests are numbered in the order of their creation, and by number they have an index.
    created = make_moment_column("created_at", "Created", ordering="pk")

    # --- List ---

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        """Newest first; of those that ended in a range, the last first, as their index has them."""
        by_end = ("-completed_at", "-pk")
        return by_end if request.GET.get(CompletedFilter.parameter_name) else self.ordering

    def find(self, queryset: QuerySet[Any], term: str) -> QuerySet[Any]:
        """By its correlation UID, or those for a device identification."""
        uid = parse_uid(term)
        if uid is not None:
            return queryset.filter(correlation_uid=uid)
        return queryset.filter(device_identification=term)

    @admin.display(description="Device")
    def device_link(self, item: Request) -> SafeString | str:
        """The device, which may not exist (yet)."""
        if item.device_id is None:
            return item.device_identification
        url = get_page_url(Device, item.device_id)
        return format_html('<a href="{}">{}</a>', url, item.device_identification)

    @admin.display(description="Priority")
    def current_priority(self, item: Request) -> SafeString | str:
        """The given priority, and what retries left of it."""
        if item.effective_priority == item.priority:
            return str(item.priority)
        return format_html(
            '{} <span class="quiet" title="Lowered by retries">now {}</span>',
            item.priority,
            item.effective_priority,
        )

    @admin.display(description="Due / duration")
    def due_or_duration(self, item: Request) -> SafeString | str:
        """When the next attempt is due; how long it took once it is final."""
        if item.state in WAITING_STATES:
            age = format_age(item.due_at)
            due = "" if age.startswith("in ") else SafeString('<span class="quiet">due</span> ')
            return format_html('{}<span class="length">{}</span>', due, age)
        if item.completed_at is not None:
            duration = format_duration(item.completed_at - item.created_at)
            return format_html('<span class="length">{}</span>', duration)
        return NOTHING

    # --- Actions ---

    @admin.action(description="Cancel selected requests", permissions=["cancel"])
    def cancel_selected(self, request: HttpRequest, queryset: QuerySet[Request]) -> HttpResponse | None:
        if (question := self.ask(request, queryset, "cancel_selected", CANCEL)) is not None:
            return question
        chosen = list(queryset.order_by("pk").values_list("pk", flat=True)[: self.most_at_once])
        cancelled = cancel_all(chosen)
        if cancelled:
            LogEntry.objects.log_actions(
                request.user.pk,  # type: ignore[arg-type]
                Request.objects.filter(pk__in=cancelled),
                CHANGE,
                change_message="Cancelled.",
            )
            messages.success(request, f"{count_rows(len(cancelled), 'request')} cancelled.")
        refused = len(chosen) - len(cancelled)
        if refused:
            text = f"{count_rows(refused, 'request')} could not be cancelled: running or final already."
            messages.warning(request, text)
        return return_to_page(Request, request)

    @admin.action(description="Send selected requests again", permissions=["send"])
    def send_again_selected(self, request: HttpRequest, queryset: QuerySet[Request]) -> HttpResponse | None:
        if (question := self.ask(request, queryset, "send_again_selected", SEND_AGAIN)) is not None:
            return question
        chosen = list(queryset.select_related("organisation", "device")[: self.most_at_once])
        problems: Counter[str] = Counter()
        sent: list[Request] = []
        for original in chosen:
            try:
                sent.append(send_again(original, request.user.get_username()))
            except Fault as fault:
                problems[f"fault {int(fault.code)}: {fault.message}"] += 1
            except ValidationError:
                problems["its parameters are not valid any more"] += 1
        if sent:
            messages.success(request, f"{count_rows(len(sent), 'request')} sent again.")
        for text, number in problems.most_common(5):
            messages.warning(request, f"{count_rows(number, 'request')} not sent again: {text}")
        if len(chosen) == 1 and sent:
            return HttpResponseRedirect(get_page_url(Request, sent[0].pk))
        return return_to_page(Request, request)

    # --- Pages ---

    def prepare(self, request: HttpRequest) -> NewMessage:
        """Any registered message to a device."""
        return prepare_request(request)

    def describe_sent(self, row: Request) -> str:
        return f"{row.message} to {row.device_identification}"

    def describe(self, request: HttpRequest, row: Request) -> dict[str, Any]:
        """Everything about one request."""
        rows = Action.objects.filter(request=row).select_related("device").order_by("position")
        actions = Paginator(rows, ACTIONS_PER_PAGE)
        page = actions.get_page(request.GET.get("p"))
        shown = load_actions(rows, page.start_index() - 1, ACTIONS_PER_PAGE)
        visits = list(find_visits(row)[:MOST_VISITS])
        states = Action.objects.filter(request=row).order_by().values_list("state")
        is_single = actions.count == 1
        return {
            "title": f"{row.message} to {row.device_identification}",
            "batch": row.batch,
            "told": describe_deliveries(request, row.correlation_uid) if row.is_final else [],
            "events": build_timeline(row, visits, shown if is_single else ()),
            "visible_visits": _find_visible(visits, get_organisation(request)),
            "page": page,
            "page_range": actions.get_elided_page_range(page.number),
            "action_states": list(states.annotate(number=Count("pk")).order_by("state")),
            "actions_shown": [
                describe_action(action, expand=is_single, is_final=row.is_final) for action in shown
            ],
            "may_cancel": self.has_cancel_permission(request) and row.state in WAITING_STATES,
            "may_apply": may_apply(request, row),
            "may_send": self.has_send_permission(request),
            "may_see_device": request.user.has_perm("devices.view_device"),
        }


def describe_action(action: Action, *, expand: bool, is_final: bool) -> dict[str, Any]:
    """An action of ``load_actions`` as its page shows it: secrets are gone before a template sees it.

    What came before the meter was lost is only drawn in full once no more may come: until then, the page is
    drawn anew every few seconds.
    """
    secrets = find_secret_fields(action.message)
    result, partial = action.result, action.partial_result
    # Probes, whose findings are drawn in a way of their own, are small.
    action.result, action.partial_result = parse(result), parse(partial)
    duration = None
    if action.started_at is not None and action.finished_at is not None:
        duration = action.finished_at - action.started_at
    return {
        "position": action.position,
        "message": action.message,
        "device": action.device,
        "state": action.state,
        "duration": duration,
        "parameters": show(action.parameters, secrets) if action.parameters else "",
        "result": show_result(action, result, secrets),
        "partial": show_result(action, partial, secrets) if is_final else "",
        "is_partial": partial is not None,
        "has_readings": _has_readings(action.message),
        "complete_until": _find_moment(partial),
        "found": describe_findings(action),
        "fault": action.fault,
        "open": expand or action.fault is not None,
    }


def _has_readings(message: str) -> bool:
    try:
        operation = find_operation(message)
    except UnknownMessage:
        return False
    return isinstance(operation, MeterOperation) and operation.has_readings()


def _find_moment(partial_result: ResultText | None) -> datetime | None:
    text = partial_result.find_complete_until() if partial_result else None
    return parse_datetime(text) if text else None


def _find_visible(visits: list[MeterSession], organisation: Organisation | None) -> set[Any]:
    """The keys of those visits that the user may look at."""
    keys = [visit.pk for visit in visits]
    if organisation is None:
        return set(keys)
    rows = limit_visits(MeterSession.objects.filter(pk__in=keys), organisation)
    return set(rows.values_list("pk", flat=True))
