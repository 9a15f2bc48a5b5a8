"""Rules: which message is sent to a meter that reports an alarm, and whether that went well."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path
from django.urls.resolvers import URLPattern
from django.utils.safestring import SafeString

from osgp.accounts.models import Organisation
from osgp.alarms.models import AlarmRule
from osgp.alarms.rule_submission import save_rule
from osgp.pages.access import OrganisationScopedAdmin
from osgp.pages.alarms.rule_form import ChooseRuleForm, RuleForm, fill_in
from osgp.pages.shared.columns import make_moment_column, show_message
from osgp.pages.shared.display_text import NOTHING, draw_badge, summarise_fault
from osgp.pages.shared.display_values import find_secret_fields, show
from osgp.pages.shared.filters import OrganisationFilter
from osgp.pages.shared.message_forms import describe_operation
from osgp.pages.shared.page import ShownRow, get_page_url, render_page
from osgp.pages.shared.sending import make_caller, submit_form


@admin.register(AlarmRule)
class AlarmRuleAdmin(ShownRow, OrganisationScopedAdmin):
    """Made and changed on a page of its own, whose body goes the way of an API call."""

    detail_template = "admin/alarms/alarmrule/detail.html"
    list_display = (
        "state_badge",
        "name",
        "alarm_name",
        "message_name",
        "limit",
        "last_sent",
        "fault_text",
        "organisation",
    )
    list_display_links = ("name",)
    list_filter = (OrganisationFilter,)
    list_select_related = ("organisation",)
    ordering = ("organisation__identification", "name")
    sortable_by = ("name",)
    actions = None

    message_name = show_message
    last_sent = make_moment_column("last_sent_at", "Last sent", ordering="last_sent_at")

    # --- List ---

    @admin.display(description="State")
    def state_badge(self, rule: AlarmRule) -> SafeString:
        return draw_badge("ACTIVE" if rule.enabled else "PAUSED")

    @admin.display(description="Alarm")
    def alarm_name(self, rule: AlarmRule) -> str:
        return rule.alarm_type

    @admin.display(description="At most")
    def limit(self, rule: AlarmRule) -> str:
        return f"{rule.most_per_hour} an hour"

    @admin.display(description="Last fault")
    def fault_text(self, rule: AlarmRule) -> SafeString:
        return summarise_fault(rule.last_fault) if rule.last_fault else NOTHING

    # --- Pages ---

    def get_urls(self) -> list[URLPattern]:
        edit = self.admin_site.admin_view(self.edit_view)
        return [path("<path:object_id>/edit/", edit, name="alarms_alarmrule_edit"), *super().get_urls()]

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Choose the message (GET), then say when it is sent and with which parameters (POST)."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        choose = ChooseRuleForm(request.GET, request=request)
        return self._edit(request, choose, choose.chosen, None)

    def edit_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Change everything but the organisation."""
        rule = self.get_object(request, object_id)
        if not self.has_change_permission(request, rule):
            raise PermissionDenied
        if rule is None:
            return self.redirect_from_missing(request, object_id)
        assert isinstance(rule, AlarmRule)
        wanted = {
            "message": request.GET.get("message") or rule.message,
            "organisation": str(rule.organisation_id),
        }
        return self._edit(request, ChooseRuleForm(wanted, request=request), rule.organisation, rule)

    def _edit(
        self,
        request: HttpRequest,
        choose: ChooseRuleForm,
        organisation: Organisation | None,
        rule: AlarmRule | None,
    ) -> HttpResponse:
        operation, form = choose.operation, None
        if operation is not None and organisation is not None:
            posted = request.POST if request.method == "POST" else None
            form = RuleForm(posted, operation=operation, initial=fill_in(rule) if rule else None)
            if posted is not None and form.is_valid():
                saved = _save(form, organisation, request, rule)
                if saved is not None:
                    log = self.log_addition if rule is None else self.log_change
                    log(request, saved, "Saved.")
                    messages.success(request, f"The rule “{saved.name}” was saved.")
                    return HttpResponseRedirect(get_page_url(AlarmRule, saved.pk))
        return render_page(
            self,
            request,
            "admin/alarms/alarmrule/edit.html",
            title="New rule" if rule is None else f"Change {rule.name}",
            choose=choose,
            form=form,
            original=rule,
            operation=operation,
            description=describe_operation(operation),
            media=self.media,
        )

    def describe(self, request: HttpRequest, row: AlarmRule) -> dict[str, Any]:
        """What it sends, and how that went last."""
        return {
            "title": row.name,
            "parameters": show(row.parameters, find_secret_fields(row.message)) if row.parameters else "",
            "may_change": self.has_change_permission(request, row),
            "may_delete": self.has_delete_permission(request, row),
        }


def _save(
    form: RuleForm, organisation: Organisation, request: HttpRequest, rule: AlarmRule | None
) -> AlarmRule | None:
    """The stored rule; None when it was refused, the reasons then being in the form."""
    caller = make_caller(organisation, request)
    return submit_form(form, lambda: save_rule(caller, form.build_body(), rule))
