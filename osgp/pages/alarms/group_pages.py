"""Alarms, grouped: a line for each storm, however many meters had a part in it."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from osgp.accounts.models import Organisation
from osgp.alarms.finding import list_groups
from osgp.alarms.models import AlarmGroup
from osgp.pages.access import ReadOnlyAdmin, get_organisation
from osgp.pages.alarms.acknowledging import AcknowledgedRows, acknowledge_groups
from osgp.pages.alarms.display import draw_kind, draw_state
from osgp.pages.alarms.filters import KindFilter, LastFilter, OpenGroupsFilter
from osgp.pages.networks.filters import NetworkFilter
from osgp.pages.shared.columns import make_moment_column
from osgp.pages.shared.display_text import NOTHING
from osgp.pages.shared.filters import OrganisationFilter
from osgp.pages.shared.lists import LiveList, LongList
from osgp.pages.shared.page import ShownRow


@admin.register(AlarmGroup)
class AlarmGroupAdmin(AcknowledgedRows, LiveList, ShownRow, LongList, ReadOnlyAdmin):
    """Groups have no permissions of their own: whoever may see alarms sees them grouped."""

    list_display = ("state_badge", "what", "unacknowledged_number", "network_name", "first", "last", "owner")
    list_display_links = None
    list_filter = (OpenGroupsFilter, KindFilter, NetworkFilter, LastFilter, OrganisationFilter)
    list_select_related = ("network", "organisation")
    ordering = ("-last_at", "-pk")
    sortable_by = ()
    rows_name = "groups"
    actions = ("acknowledge_selected",)

    first = make_moment_column("first_at", "First")
    last = make_moment_column("last_at", "Last")

    def visible_to(self, queryset: QuerySet[Any], organisation: Organisation) -> QuerySet[Any]:
        return list_groups(organisation)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return request.user.has_perm("alarms.view_alarm")

    def get_list_display(self, request: HttpRequest) -> tuple[str, ...]:
        """Whose alarms these are is the same on every line for users with an organisation."""
        return self.list_display if get_organisation(request) is None else self.list_display[:-1]

    # --- List ---

    @admin.display(description="State")
    def state_badge(self, group: AlarmGroup) -> SafeString:
        return draw_state(is_open=group.unacknowledged > 0)

    @admin.display(description="Alarms")
    def what(self, group: AlarmGroup) -> SafeString:
        """How many of what, which leads to them."""
        number = f"{group.number:,}"
        return format_html(
            '<a href="{}"><b>{}</b> × {}</a>', get_alarms_url(group.pk), number, draw_kind(group.kind)
        )

    @admin.display(description="Open")
    def unacknowledged_number(self, group: AlarmGroup) -> str:
        return f"{group.unacknowledged:,}" if group.unacknowledged else NOTHING

    @admin.display(description="Network")
    def network_name(self, group: AlarmGroup) -> str:
        return NOTHING if group.network is None else group.network.name

    @admin.display(description="Owner")
    def owner(self, group: AlarmGroup) -> str:
        return NOTHING if group.organisation is None else group.organisation.identification

    @admin.action(description="Acknowledge selected alarms", permissions=["acknowledge"])
    def acknowledge_selected(self, request: HttpRequest, queryset: QuerySet[AlarmGroup]) -> None:
        """All alarms of these groups, whose devices the user owns or manages."""
        acknowledge_groups(request, queryset)

    # --- Page ---

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The page of a group is the list of its alarms."""
        if not self.has_view_permission(request) or request.method not in {"GET", "HEAD"}:
            raise PermissionDenied
        group = self.get_object(request, object_id)
        if group is None:
            return self.redirect_from_missing(request, object_id)
        return HttpResponseRedirect(get_alarms_url(group.pk))


def get_alarms_url(group: int) -> str:
    """The list of the alarms of a group."""
    return f"{reverse('admin:alarms_alarm_changelist')}?{urlencode({'group': group})}"
