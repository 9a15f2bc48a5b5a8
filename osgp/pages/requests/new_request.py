"""The page from which operators send any message to a device."""

from typing import TYPE_CHECKING

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from rest_framework.exceptions import ValidationError

from osgp.devices.models import Device
from osgp.faults import Fault
from osgp.messages.operation import Operation, PlatformOperation
from osgp.messages.registry import UnknownMessage, find_operation
from osgp.pages.access import organisation_of
from osgp.pages.shared import sending as admin_send
from osgp.pages.shared.message_forms import ChooseForm, SendForm
from osgp.requests.models import Request
from osgp.requests.submission import organisation_caller, submit

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin


def new_request(model_admin: "ModelAdmin", request: HttpRequest) -> HttpResponse:
    """Choose message and device (GET), then fill in the parameters of that message (POST)."""
    chosen = ChooseForm(request.GET, request=request)
    chosen_is_valid = chosen.is_valid()
    device: Device | None = chosen.cleaned_data.get("device")
    task = _operation(chosen.cleaned_data.get("message")) if chosen_is_valid else None
    form = None
    if task is not None and (device is not None or isinstance(task, PlatformOperation)):
        form = SendForm(
            request.POST if request.method == "POST" else None,
            operation=task,
            device=device,
            organisations=admin_send.senders_for(device, organisation_of(request)),
        )
        if request.method == "POST" and form.is_valid():
            sent = _submit(form, task, request)
            if sent is not None:
                model_admin.log_addition(request, sent, "Sent from the admin.")
                messages.success(request, f"{sent.message} to {sent.device_identification} was accepted.")
                return HttpResponseRedirect(reverse("admin:requests_request_change", args=[sent.pk]))
    context = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "title": "New request",
        "choose": chosen,
        "send": form,
        "device": device,
        "operation": task,
        "description": _description(task),
        "needs_device": task is not None and form is None,
        "media": model_admin.media + chosen.media + (form.media if form is not None else chosen.media),
    }
    return TemplateResponse(request, "admin/requests/request/new.html", context)


def _operation(message: str | None) -> Operation | None:
    if not message:
        return None
    try:
        return find_operation(message)
    except UnknownMessage:
        return None


def _description(task: Operation | None) -> str:
    """What API users read about the message, without the marks of its markup."""
    return " ".join((type(task).__doc__ or "").replace("`", "").split()) if task is not None else ""


def _submit(form: SendForm, task: Operation, request: HttpRequest) -> Request | None:
    """The stored request; None when it was refused, the reasons then being in the form."""
    caller = organisation_caller(
        form.cleaned_data["on_behalf_of"], admin_send.sender(request.user.get_username())
    )
    try:
        with transaction.atomic():
            return submit(caller, task.message, form.body())
    except ValidationError as error:
        form.take_errors(error.detail)
    except Fault as fault:
        form.take_fault(fault)
    return None
