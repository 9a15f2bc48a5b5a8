"""Operators' pages about device groups: who is in them, and putting devices in and out."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from osgp.accounts.models import Organisation
from osgp.device_groups import groups
from osgp.device_groups.models import DeviceGroup, DeviceGroupMembership
from osgp.pages.access import OrganisationScopedAdmin, organisation_of
from osgp.pages.shared import display_text
from osgp.pages.shared.filters import OrganisationFilter
from osgp.pages.shared.paging import LongList

MEMBERS_SHOWN = 50
NAMED = 10
"""Unknown identifications that a message names."""
LINES = {"rows": 5, "class": "vLargeTextField json", "spellcheck": "false"}


class GroupForm(forms.ModelForm):
    """The name of a group, and who is to come and to go."""

    add_all = forms.BooleanField(
        required=False,
        label="All devices",
        help_text="Put in all that the organisation may see now.",
    )
    put_in = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs=LINES),
        help_text="Identifications, one per line, as many as you like.",
    )
    take_out = forms.CharField(required=False, widget=forms.Textarea(attrs=LINES), help_text="Likewise.")

    class Meta:
        model = DeviceGroup
        fields = ("organisation", "name")


class GroupList(ChangeList):
    """A page of groups with their size."""

    def get_results(self, request: HttpRequest) -> None:
        """One query more than other lists, however many groups there are on the page."""
        super().get_results(request)
        self.result_list = list(self.result_list)
        members = DeviceGroupMembership.objects.filter(group__in=[group.pk for group in self.result_list])
        sizes = dict(members.values_list("group").annotate(number=Count("*")).order_by())
        for group in self.result_list:
            group.size = sizes.get(group.pk, 0)


@admin.register(DeviceGroup)
class DeviceGroupAdmin(LongList, OrganisationScopedAdmin):
    """Groups; with an organisation, those of that organisation."""

    form = GroupForm
    change_form_template = "admin/devices/devicegroup/change_form.html"
    list_display = ("name", "organisation", "size", "made")
    list_filter = (OrganisationFilter,)
    list_select_related = ("organisation",)
    ordering = ("name", "pk")
    sortable_by = ("name", "made")
    search_fields = ("name",)
    search_help_text = "Part of the name"
    actions = None

    def visible_to(self, queryset: QuerySet[Any], organisation: Organisation) -> QuerySet[Any]:
        return queryset.filter(organisation=organisation)

    def get_changelist(self, request: HttpRequest, **options: Any) -> type[ChangeList]:
        return GroupList

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Whose group it is, is decided once."""
        fixed = obj is not None or organisation_of(request) is not None
        if not self.has_change_permission(request, obj) and obj is not None:
            return [(None, {"fields": ("name",)})]
        first = ("name",) if fixed else ("organisation", "name")
        moving = ("put_in", "add_all") if obj is None else ("put_in", "take_out", "add_all")
        return [(None, {"fields": first}), ("Devices", {"fields": moving})]

    @admin.display(description="Devices")
    def size(self, group: Any) -> str:
        return f"{group.size:,}"

    @admin.display(description="Created", ordering="created_at")
    def made(self, group: DeviceGroup) -> SafeString:
        return display_text.moment(group.created_at)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """The group, then its members; what is not known is told."""
        organisation = organisation_of(request)
        if organisation is not None and not change:
            obj.organisation = organisation
        super().save_model(request, obj, form, change)
        cleaned = form.cleaned_data
        added = groups.add_all(obj) if cleaned.get("add_all") else 0
        put_in = groups.add(obj, cleaned.get("put_in", "").split())
        taken_out = groups.remove(obj, cleaned.get("take_out", "").split())
        if number := added + put_in.number:
            messages.success(request, f"{_devices(number)} put in.")
        if taken_out.number:
            messages.success(request, f"{_devices(taken_out.number)} taken out.")
        for unknown, text in ((put_in.unknown, "no such device"), (taken_out.unknown, "not in the group")):
            if unknown:
                more = f" and {len(unknown) - NAMED:,} more" if len(unknown) > NAMED else ""
                messages.warning(request, f"{text}: {', '.join(unknown[:NAMED])}{more}")

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """What goes with a group, counted: its members are too many to be listed."""
        chosen = list(objs)
        schedules = [
            format_html('schedule <a href="{}">{}</a>', _schedule_url(row), row)
            for group in chosen
            for row in group.recurring_requests.all()
        ]
        members = DeviceGroupMembership.objects.filter(group__in=[group.pk for group in chosen]).count()
        return [str(group) for group in chosen], {"devices in it": members}, set(), schedules

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Members first, in one statement."""
        members = DeviceGroupMembership.objects.filter(group=obj)
        members._raw_delete(members.db)
        super().delete_model(request, obj)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The group with its size and the first of its members, or those that begin as was searched."""
        group = self.get_object(request, object_id)
        context: dict[str, Any] = {"subtitle": None}
        if isinstance(group, DeviceGroup) and self.has_view_permission(request, group):
            term = request.GET.get("member", "").strip()[:40]
            members = groups.members(group)
            if term:
                members = members.filter(identification__startswith=term)
            shown = list(members.order_by("pk" if not term else "identification")[: MEMBERS_SHOWN + 1])
            context |= {
                "title": group.name,
                "group": group,
                "size": group.memberships.count(),
                "term": term,
                "members": shown[:MEMBERS_SHOWN],
                "more": len(shown) > MEMBERS_SHOWN,
                "may_send": request.user.has_perm("batches.add_batch"),
                "may_repeat": request.user.has_perm("batches.add_recurringrequest"),
            }
        return super().change_view(request, object_id, form_url, {**context, **(extra_context or {})})


def _schedule_url(row: Any) -> str:
    return reverse("admin:batches_recurringrequest_change", args=[row.pk])


def _devices(number: int) -> str:
    return "1 device" if number == 1 else f"{number:,} devices"
