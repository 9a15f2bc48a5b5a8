"""Operators' pages about device groups: which devices are in them, adding and removing them."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Count
from django.http import HttpRequest
from django.utils.html import format_html

from osgp.device_groups import groups
from osgp.device_groups.models import DeviceGroup, DeviceGroupMembership
from osgp.pages.access import OrganisationScopedAdmin, get_organisation
from osgp.pages.shared.columns import make_moment_column
from osgp.pages.shared.display_text import count_rows
from osgp.pages.shared.filters import OrganisationFilter
from osgp.pages.shared.lists import ListWithFigures, LongList
from osgp.pages.shared.page import EditedRow, link_to

MEMBERS_SHOWN = 50
MOST_NAMED = 10
"""Unknown identifications that a message names."""
LINES = {"rows": 5, "class": "vLargeTextField json", "spellcheck": "false"}


class GroupForm(forms.ModelForm):
    """The name of a group, and which devices to add and to remove."""

    owner: int | None = None
    """The key of the user's organisation, which owns a new group; None: the form asks for it."""

    add_all = forms.BooleanField(
        required=False,
        label="Add all devices",
        help_text="All devices that the organisation may see now.",
    )
    add_devices = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs=LINES),
        label="Add",
        help_text="Device identifications, one per line.",
    )
    remove_devices = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs=LINES),
        label="Remove",
        help_text="Device identifications, one per line.",
    )

    class Meta:
        model = DeviceGroup
        fields = ("organisation", "name")

    def clean(self) -> dict[str, Any]:
        """Django compares the names of an organisation only where the form asks for the organisation."""
        cleaned = super().clean() or self.cleaned_data
        owner = self.instance.organisation_id or self.owner
        same = DeviceGroup.objects.filter(organisation=owner, name=cleaned.get("name", ""))
        if "organisation" not in self.fields and same.exclude(pk=self.instance.pk).exists():
            self.add_error("name", "There is a group of this name.")
        return cleaned


@admin.register(DeviceGroup)
class DeviceGroupAdmin(ListWithFigures, EditedRow, LongList, OrganisationScopedAdmin):
    """Groups; with an organisation, those of that organisation."""

    form = GroupForm
    change_form_template = "admin/devices/devicegroup/change_form.html"
    list_display = ("name", "organisation", "size", "created")
    list_filter = (OrganisationFilter,)
    list_select_related = ("organisation",)
    ordering = ("name", "pk")
    sortable_by = ("name", "created")
    search_fields = ("name",)
    search_help_text = "Part of the name"
    actions = None

    created = make_moment_column("created_at", "Created", ordering="created_at")

    def add_figures(self, rows: Sequence[Any]) -> None:
        """Their sizes: one query."""
        members = DeviceGroupMembership.objects.filter(group__in=[group.pk for group in rows])
        sizes = dict(members.values_list("group").annotate(number=Count("*")).order_by())
        for group in rows:
            group.size = sizes.get(group.pk, 0)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Whose group it is, is decided once."""
        fixed = obj is not None or get_organisation(request) is not None
        if not self.has_change_permission(request, obj) and obj is not None:
            return [(None, {"fields": ("name",)})]
        first = ("name",) if fixed else ("organisation", "name")
        moving = ("add_devices", "add_all") if obj is None else ("add_devices", "remove_devices", "add_all")
        return [(None, {"fields": first}), ("Devices", {"fields": moving})]

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **options: Any) -> Any:
        """A class of its own for each call, which knows whose group a new one is."""
        form: Any = super().get_form(request, obj, change, **options)
        organisation = get_organisation(request)
        form.owner = None if organisation is None else organisation.pk
        return form

    @admin.display(description="Devices")
    def size(self, group: Any) -> str:
        return f"{group.size:,}"

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """The group, then its members; unknown identifications are reported."""
        organisation = get_organisation(request)
        if organisation is not None and not change:
            obj.organisation = organisation
        super().save_model(request, obj, form, change)
        cleaned = form.cleaned_data
        number = groups.add_all(obj) if cleaned.get("add_all") else 0
        added = groups.add(obj, cleaned.get("add_devices", "").split())
        removed = groups.remove(obj, cleaned.get("remove_devices", "").split())
        if number := number + added.number:
            messages.success(request, f"{count_rows(number, 'device')} added.")
        if removed.number:
            messages.success(request, f"{count_rows(removed.number, 'device')} removed.")
        for unknown, text in ((added.unknown, "no such device"), (removed.unknown, "not in the group")):
            if unknown:
                more = f" and {len(unknown) - MOST_NAMED:,} more" if len(unknown) > MOST_NAMED else ""
                messages.warning(request, f"{text}: {', '.join(unknown[:MOST_NAMED])}{more}")

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """What goes with a group, counted: its members are too many to be listed."""
        chosen = list(objs)
        schedules = [
            format_html("schedule {}", link_to(row, row))
            for group in chosen
            for row in group.recurring_requests.all()
        ]
        members = DeviceGroupMembership.objects.filter(group__in=[group.pk for group in chosen]).count()
        return [str(group) for group in chosen], {"devices in the group": members}, set(), schedules

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Members first, in one statement."""
        members = DeviceGroupMembership.objects.filter(group=obj)
        members._raw_delete(members.db)
        super().delete_model(request, obj)

    def describe(self, request: HttpRequest, row: DeviceGroup) -> dict[str, Any]:
        """The size of the group and the first of its members, or those that begin as was searched."""
        term = request.GET.get("member", "").strip()[:40]
        members = groups.list_members(row)
        if term:
            members = members.filter(identification__startswith=term)
        shown = list(members.order_by("pk" if not term else "identification")[: MEMBERS_SHOWN + 1])
        return {
            "title": row.name,
            "group": row,
            "size": row.memberships.count(),
            "term": term,
            "members": shown[:MEMBERS_SHOWN],
            "more": len(shown) > MEMBERS_SHOWN,
            "may_send": request.user.has_perm("batches.add_batch"),
            "may_repeat": request.user.has_perm("batches.add_recurringrequest"),
        }
