"""Operators' pages about devices."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, Model, OuterRef, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path
from django.urls.resolvers import URLPattern
from django.utils.html import format_html
from django.utils.safestring import SafeString

from osgp.accounts.models import DeviceAuthorisation, Organisation
from osgp.accounts.rights import is_granted, is_owner, list_visible_devices
from osgp.alarms.finding import MAY_SEE as ALARM_READERS
from osgp.alarms.models import Alarm
from osgp.devices import invocation_counters
from osgp.devices.learned import forget
from osgp.devices.models import Device, DeviceKey
from osgp.devices.settings_resolution import make_own
from osgp.firmware.versions import list_history
from osgp.message_logs.reading import GRANTED_TO as LOG_READERS
from osgp.pages.access import OrganisationScopedAdmin, get_organisation
from osgp.pages.alarms.display import draw_row
from osgp.pages.devices.device_form import HOW_TO_TALK, DeviceForm, choose_classes
from osgp.pages.devices.filters import DebuggingFilter, FailingFilter, FirmwareFilter, ProfileFilter
from osgp.pages.devices.learned_rows import describe_learned, list_effective
from osgp.pages.devices.setting_form import FIELDS
from osgp.pages.networks.filters import CellFilter, NetworkFilter
from osgp.pages.shared import display_text
from osgp.pages.shared.columns import make_moment_column
from osgp.pages.shared.lists import LongList
from osgp.pages.shared.page import EditedRow, get_page_url, link_to
from osgp.pages.shared.search import IndexedSearch, find_devices
from osgp.requests.models import MeterSession, Request
from osgp.system_notes.keeping import ADMIN, resolve_changed
from osgp.system_notes.models import OPEN, SystemNote

RECENT_ROWS = 10
RECENT_ALARMS = 5


class AuthorisationInline(admin.TabularInline):
    """What organisations may do with the device; those that have an organisation see their own grants."""

    model = DeviceAuthorisation
    extra = 0
    fields = ("organisation", "function_group", "since")
    readonly_fields = ("since",)
    verbose_name = "authorisation"
    verbose_name_plural = "authorisations"

    since = make_moment_column("created_at", "Since", full=True)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        queryset = super().get_queryset(request).select_related("organisation")
        organisation = get_organisation(request)
        if organisation is not None:
            queryset = queryset.filter(organisation=organisation)
        return queryset.order_by("organisation__identification", "function_group")

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return get_organisation(request) is None and super().has_add_permission(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """A grant is given or taken, never turned into another one."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return get_organisation(request) is None and super().has_delete_permission(request, obj)


ADMINISTRATION = ("lifecycle_status", "model", "time_zone", "installed_at")
PLACE = ("network", "cell")
CONNECTION = (
    "communication_method",
    *PLACE,
    "network_address",
    "address_is_static",
    "port",
    "logical_device_address",
    "framing",
    "security",
    "challenge_length",
    "selective_access",
    "polyphase",
)
PUSHES = ("system_title", "stores_unverified_pushes", "keeps_standard_time")
HLS = ("hls3_active", "hls4_active", "hls5_active")
"""What the flags of the configuration object say; how the platform talks to the meter is its security."""
MBUS = (
    "gateway",
    "channel",
    "mbus_identification_number",
    "mbus_manufacturer",
    "mbus_version",
    "mbus_device_type",
    "mbus_primary_address",
)
MBUS_SHOWN = ("gateway_name", *MBUS[1:])
"""For organisations, which may not see the gateway."""


@admin.register(Device)
class DeviceAdmin(IndexedSearch, EditedRow, LongList, OrganisationScopedAdmin):
    """Devices; what the platform learns from meters is shown, not edited."""

    form = DeviceForm
    change_form_template = "admin/devices/device/change_form.html"
    list_display = (
        "identification",
        "type_name",
        "profile_name",
        "address",
        "lifecycle",
        "relay_state",
        "last_success",
        "last_failure",
        "failures",
    )
    list_filter = (
        FailingFilter,
        ("device_type", admin.ChoicesFieldListFilter),
        ProfileFilter,
        ("lifecycle_status", admin.ChoicesFieldListFilter),
        ("security", admin.ChoicesFieldListFilter),
        ("communication_method", admin.ChoicesFieldListFilter),
        ("relay_status", admin.ChoicesFieldListFilter),
        NetworkFilter,
        CellFilter,
        FirmwareFilter,
        DebuggingFilter,
    )
    list_select_related = ("gateway",)
    ordering = ("identification",)
    sortable_by = ("identification", "last_success", "last_failure", "failures")
    search_fields = ("identification",)
    search_help_text = "Beginning of the identification, M-Bus number, or address"
    autocomplete_fields = ("gateway", "cell")
    inlines = (AuthorisationInline,)
    actions = None
    save_on_top = False

    last_success = make_moment_column("last_success_at", "Last success", ordering="last_success_at")
    last_failure = make_moment_column("last_failure_at", "Last failure", ordering="last_failure_at")
    created = make_moment_column("created_at", "Added", full=True)
    updated = make_moment_column("updated_at", "Changed", full=True)

    # --- Who may what ---

    def visible_to(self, queryset: QuerySet[Any], organisation: Organisation) -> QuerySet[Any]:
        """Those on which it has any grant; whether it has one on the gateway of each as well."""
        gateway = list_visible_devices(organisation).filter(pk=OuterRef("gateway"))
        return list_visible_devices(organisation).annotate(may_see_gateway=Exists(gateway))

    def has_add_permission(self, request: HttpRequest) -> bool:
        """A device that somebody with an organisation added would be invisible to that organisation."""
        return get_organisation(request) is None and super().has_add_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Keys in use are never deleted, so neither are devices: their life ends with a lifecycle status."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Of the organisations that may see a device, only its owners may change it."""
        organisation = get_organisation(request)
        if organisation is not None and isinstance(obj, Device) and not is_owner(organisation, obj):
            return False
        return super().has_change_permission(request, obj)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Write what was edited and nothing else.

        While the page was open, workers went on: a whole row saved from it would set the invocation counter
        back, and a value used twice gives the key away.
        """
        if change:
            columns = form.list_changed_columns()
            obj.save(update_fields=[*columns, "updated_at"])
            resolve_changed(obj, columns, by=ADMIN)
        else:
            obj.save(force_insert=True)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        fixed: tuple[str, ...] = ("relay",)
        if get_organisation(request) is not None:
            fixed += ("place",)
        if obj is not None:
            fixed += ("identification", "device_type", *HLS, "created", "updated")
            if get_organisation(request) is None:
                # The counter of a key tells what others do who have a meter with that key.
                fixed += ("counter",)
            if obj.is_mbus:
                fixed += ("communication_method",)
            if not obj.is_mbus or get_organisation(request) is not None:
                fixed += MBUS if get_organisation(request) is None else MBUS_SHOWN
        return fixed

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """An M-Bus device is not dialled; an electricity meter has no place on an M-Bus."""
        who = ("identification", "device_type") if obj is None else ()
        connection: tuple[str, ...] = CONNECTION
        if get_organisation(request) is not None:
            connection = ("place", *(name for name in CONNECTION if name not in PLACE))
        may_change = obj is None or self.has_change_permission(request, obj)
        profile = ("profile", "protocol_variant") if may_change else ("profile_name",)
        groups = [
            ("Device", (*who, *ADMINISTRATION, *profile)),
            (
                "Connection",
                connection if obj is None or not obj.is_mbus else ("polyphase", "selective_access"),
            ),
        ]
        # Those who may only look see a table of what holds.
        if may_change and (obj is None or not obj.is_mbus):
            groups.append((HOW_TO_TALK, FIELDS))
        if obj is None or not obj.is_mbus:
            groups.append(("Pushes", PUSHES))
        if obj is None or obj.is_mbus:
            groups.append(("M-Bus", MBUS if get_organisation(request) is None else MBUS_SHOWN))
        if obj is not None:
            known: tuple[str, ...] = () if obj.is_mbus else HLS
            if not obj.is_mbus and get_organisation(request) is None:
                known += ("counter",)
            groups.append(("Known from the meter", ("relay", *known, "created", "updated")))
        # Most devices have no settings of their own, and there are many.
        folded = () if obj is not None and make_own(obj.own_settings, obj.with_list_max) else (HOW_TO_TALK,)
        return [
            (title, {"fields": fields, "classes": choose_classes(title, is_folded=title in folded)})
            for title, fields in groups
        ]

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        """Gateway, network and cell are chosen here; they are created and deleted on pages of their own."""
        field = super().formfield_for_dbfield(db_field, request, **options)
        if field is not None and db_field.name in ("gateway", *PLACE):
            field.widget.can_add_related = field.widget.can_delete_related = False
        return field

    def get_urls(self) -> list[URLPattern]:
        forget = self.admin_site.admin_view(self.forget_view)
        return [path("<path:object_id>/forget/", forget, name="devices_device_forget"), *super().get_urls()]

    def forget_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Forget what was learned of a meter. 403 for all methods but POST."""
        device = self.get_object(request, object_id)
        if request.method != "POST" or not self.has_change_permission(request, device):
            raise PermissionDenied
        if device is None:
            raise Http404
        forget(device.pk)
        self.log_change(request, device, "Forgot what was learned of it.")
        messages.success(request, "What was learned of the meter is forgotten. Its next visit asks it anew.")
        return HttpResponseRedirect(get_page_url(device, device.pk))

    # --- List ---

    def find(self, queryset: QuerySet[Any], term: str) -> QuerySet[Any]:
        return find_devices(queryset, term)

    @admin.display(description="Type")
    def type_name(self, device: Device) -> str:
        return device.get_device_type_display().removesuffix(" meter")

    @admin.display(description="Profile")
    def profile_name(self, device: Device) -> str:
        return " ".join(
            part for part in (device.protocol_name, device.protocol_version, device.protocol_variant) if part
        )

    @admin.display(description="Address or gateway")
    def address(self, device: Device) -> SafeString:
        """Where it is dialled, the method being the tooltip; the gateway of what is behind one."""
        if device.gateway is not None:
            text = '{} <span class="quiet">channel&nbsp;{}</span>'
            return format_html(text, self.gateway_name(device), device.channel or "–")
        if device.is_mbus or not device.network_address:
            return display_text.NOTHING
        return format_html(
            '<span title="{}">{}<wbr>:{}</span>',
            device.communication_method,
            device.network_address,
            device.port,
        )

    @admin.display(description="Gateway")
    def gateway_name(self, device: Device) -> SafeString | str:
        """The gateway, unless it is none that the user may see (:meth:`visible_to`)."""
        if device.gateway is None or not getattr(device, "may_see_gateway", True):
            return ""
        return link_to(device.gateway, device.gateway.identification)

    @admin.display(description="Lifecycle")
    def lifecycle(self, device: Device) -> str:
        return display_text.split_words(device.lifecycle_status)

    @admin.display(description="Relay")
    def relay_state(self, device: Device) -> SafeString:
        """As last known; the tooltip has the full name and since when."""
        if not device.relay_status:
            return display_text.NOTHING
        name = display_text.split_words(device.relay_status)
        as_of = device.relay_status_as_of
        return format_html(
            '<span title="{}">{}</span>',
            f"{name} as of {as_of:%Y-%m-%d %H:%M:%S} UTC" if as_of else name,
            display_text.draw_badge(device.relay_status, name.split(maxsplit=1)[0]),
        )

    @admin.display(description="Failures", ordering="failed_connections")
    def failures(self, device: Device) -> SafeString | str:
        if not device.failed_connections:
            return display_text.NOTHING
        return display_text.draw_badge("FAILED", str(device.failed_connections))

    # --- Page ---

    @admin.display(description="Relay")
    def relay(self, device: Device) -> SafeString | str:
        if not device.relay_status:
            return "not known"
        return format_html(
            "{} <span class='quiet'>as of</span> {}",
            display_text.draw_badge(device.relay_status),
            display_text.format_moment(device.relay_status_as_of, full=True),
        )

    @admin.display(description="Network and cell")
    def place(self, device: Device) -> str:
        """For organisations, which cannot open the pages of networks."""
        return str(device.cell or device.network or "–")

    @admin.display(description="Invocation counter")
    def counter(self, device: Device) -> str:
        """The first value of the encryption key's counter that no visit has reserved."""
        counter = invocation_counters.find_active(device.pk)
        return "not known" if counter is None or counter.next_value is None else f"{counter.next_value:,}"

    def describe(self, request: HttpRequest, row: Device) -> dict[str, Any]:
        """The device with its system notes, keys (never their values), firmware, M-Bus devices, recent
        requests and visits.
        """
        device, organisation = row, get_organisation(request)
        children = Device.objects.filter(gateway=device).order_by("channel")
        requests = Request.objects.filter(device_identification=device.identification).order_by("-created_at")
        if organisation is not None:
            children = children.filter(pk__in=list_visible_devices(organisation).values("pk"))
            requests = requests.filter(organisation=organisation)
        visits = MeterSession.objects.filter(meter=device.gateway_id or device.pk).order_by("-opened_at")
        gateway_visible = (
            organisation is None
            or device.gateway_id is None
            or list_visible_devices(organisation).filter(pk=device.gateway_id).exists()
        )
        may = request.user.has_perm
        firmware = list_history(device)
        may_see_alarms = (
            may("alarms.view_alarm")
            and not device.is_mbus
            and (organisation is None or is_granted(organisation, device, ALARM_READERS))
        )
        return {
            "title": device.identification,
            "device": device,
            "relay": self.relay_state(device) if device.relay_status else "",
            "profile_name": self.profile_name(device),
            "keys": list(
                DeviceKey.objects.filter(device=device)
                .order_by("key_type", "-created_at")
                .values("key_type", "state", "created_at", "state_changed_at")
            )
            if may("devices.view_devicekey")
            else None,
            "effective": list_effective(device),
            "learned": describe_learned(device),
            "may_forget": self.has_change_permission(request, device),
            "firmware": [row for row in firmware if row.is_current],
            "former_firmware": [row for row in firmware if not row.is_current],
            "notes": list(SystemNote.objects.filter(OPEN, device=device)),
            "children": list(children),
            "gateway": device.gateway if gateway_visible else None,
            "recent_requests": list(requests[:RECENT_ROWS].select_related("organisation"))
            if may("requests.view_request")
            else None,
            "recent_visits": list(visits[:RECENT_ROWS])
            if may("requests.view_metersession") and gateway_visible
            else None,
            "recent_alarms": [
                draw_row(alarm) for alarm in Alarm.objects.filter(device=device)[:RECENT_ALARMS]
            ]
            if may_see_alarms
            else None,
            "may_send": may("requests.add_request"),
            "may_see_audit": may("audit.view_auditentry"),
            "may_read_log": may("message_logs.view_messagelog")
            and (organisation is None or is_granted(organisation, device, LOG_READERS)),
        }
