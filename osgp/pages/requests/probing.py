"""Probes of meters in the admin: a button that sends one, and one that applies what it proposes."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path
from django.urls.resolvers import URLPattern
from rest_framework.exceptions import ValidationError

from osgp.accounts.rights import is_owner, list_visible_devices
from osgp.devices.models import Device
from osgp.faults import Fault
from osgp.installation.probe_meter import ProbeMeter
from osgp.installation.probing.applying import apply_findings
from osgp.installation.probing.findings import Finding, list_for_people, list_proposals
from osgp.pages.access import get_organisation
from osgp.pages.requests.new_request import find_senders
from osgp.pages.shared.display_text import NOTHING
from osgp.pages.shared.page import get_page_url
from osgp.pages.shared.sending import make_caller
from osgp.requests.models import Action, Request
from osgp.requests.submission import submit


class FindingRow(NamedTuple):
    """A finding as a row of the table."""

    name: str
    current: str
    proposed: str | None
    seen: str


def describe_findings(action: Action) -> dict[str, Any] | None:
    """What a probe found, for its page; None: it is no probe, or has found nothing yet."""
    result = _find_result(action)
    if result is None:
        return None
    findings: list[Finding] = result["findings"]
    return {
        "rows": [
            FindingRow(
                each["setting"],
                show_plainly(each["current"]),
                None if each["proposed"] is None else show_plainly(each["proposed"]),
                each["seen"],
            )
            for each in findings
        ],
        "meter": {name: value for name, value in result["meter"].items() if value is not None},
        "round_trips": result["round_trips"],
        "seconds": result["seconds"],
        "applied": result["applied"],
        "proposals": list_proposals(findings),
        "for_people": list_for_people(findings),
    }


def show_plainly(value: object) -> str:
    """A value of a finding as text."""
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _find_result(action: Action) -> Mapping[str, Any] | None:
    if action.message != ProbeMeter.message:
        return None
    return action.result or action.partial_result


class ProbingAdmin(admin.ModelAdmin):
    """Of requests: two addresses more. Both answer 403 to all methods but POST."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("probe/<int:device_id>/", view(self.probe_view), name="requests_request_probe"),
            path("<int:request_id>/apply/", view(self.apply_view), name="requests_request_apply"),
            *super().get_urls(),
        ]

    def probe_view(self, request: HttpRequest, device_id: int) -> HttpResponse:
        """Send a probe to a device in the name of its owner, and show that request."""
        if request.method != "POST" or not request.user.has_perm("requests.add_request"):
            raise PermissionDenied
        organisation = get_organisation(request)
        visible = Device.objects.all() if organisation is None else list_visible_devices(organisation)
        device = visible.filter(pk=device_id).first()
        if device is None:
            raise Http404
        sender = find_senders(device, organisation).first()
        if sender is None:
            messages.error(request, "No organisation may send a message to this device.")
            return HttpResponseRedirect(get_page_url(Device, device.pk))
        body = {"device_identification": device.identification}
        try:
            with transaction.atomic():
                sent = submit(make_caller(sender, request), ProbeMeter.message, body)
        except (Fault, ValidationError) as error:
            text = error.message if isinstance(error, Fault) else "its parameters are not valid"
            messages.error(request, f"The probe was not sent: {text}")
            return HttpResponseRedirect(get_page_url(Device, device.pk))
        return HttpResponseRedirect(get_page_url(Request, sent.pk))

    def apply_view(self, request: HttpRequest, request_id: int) -> HttpResponse:
        """Give the device what a probe proposes, and show the request again."""
        row = self.get_object(request, str(request_id))
        if request.method != "POST" or not may_apply(request, row):
            raise PermissionDenied
        if row is None or row.device_id is None:
            raise Http404
        action = Action.objects.filter(request=row).first()
        result = None if action is None else _find_result(action)
        if result is None:
            raise Http404
        try:
            with transaction.atomic():
                applied = apply_findings(row.device_id, result["findings"])
                text = ", ".join(f"{name} {show_plainly(value)}" for name, value in applied.items())
                LogEntry.objects.log_actions(
                    request.user.pk,  # type: ignore[arg-type]
                    Device.objects.filter(pk=row.device_id),
                    CHANGE,
                    change_message=f"Applied what a probe found: {text}.",
                )
        except Fault as fault:
            messages.error(request, fault.message)
        else:
            messages.success(request, f"From its next visit on: {text}.")
        return HttpResponseRedirect(get_page_url(Request, row.pk))


def may_apply(request: HttpRequest, row: Request | None) -> bool:
    """Whether a user may change the device of a request."""
    if not request.user.has_perm("devices.change_device"):
        return False
    organisation = get_organisation(request)
    device = None if row is None else row.device
    return organisation is None or device is None or is_owner(organisation, device)
