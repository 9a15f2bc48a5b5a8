"""What operators choose and fill in to send any message to a device."""

from django.db.models import QuerySet
from django.http import HttpRequest

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.accounts.models import Organisation
from osgp.devices.models import Device
from osgp.messages.operation import Operation, PlatformOperation
from osgp.messages.registry import UnknownMessage, find_operation
from osgp.pages.access import get_organisation
from osgp.pages.shared.history import NewMessage
from osgp.pages.shared.message_forms import ChooseForm, SendForm
from osgp.pages.shared.sending import make_caller
from osgp.requests.models import Request
from osgp.requests.submission import submit


def prepare_request(request: HttpRequest) -> NewMessage:
    """Message and device, and the form for the parameters of that message."""
    choose = ChooseForm(request.GET, request=request)
    is_chosen = choose.is_valid()
    device: Device | None = choose.cleaned_data.get("device")
    operation = _find_operation(choose.cleaned_data.get("message")) if is_chosen else None
    if operation is None or (device is None and not isinstance(operation, PlatformOperation)):
        return NewMessage(choose, operation, context={"needs_device": operation is not None})
    form = SendForm(
        request.POST if request.method == "POST" else None,
        operation=operation,
        device=device,
        organisations=find_senders(device, get_organisation(request)),
    )

    def send() -> Request:
        caller = make_caller(form.cleaned_data["on_behalf_of"], request)
        return submit(caller, operation.message, form.build_body())

    return NewMessage(choose, operation, form, send, {"device": device})


def find_senders(device: Device | None, confined_to: Organisation | None) -> QuerySet[Organisation]:
    """The organisations in whose name a message may be sent to a device; its owners come first.

    A user with an organisation sends in its name only.
    """
    if confined_to is not None:
        return Organisation.objects.filter(pk=confined_to.pk)
    if device is None:
        return Organisation.objects.filter(enabled=True)
    owners = Organisation.objects.filter(
        authorisations__device=device, authorisations__function_group=DeviceFunctionGroup.OWNER
    )
    return (
        owners if owners.exists() else Organisation.objects.filter(authorisations__device=device).distinct()
    )


def _find_operation(message: str | None) -> Operation | None:
    if not message:
        return None
    try:
        return find_operation(message)
    except UnknownMessage:
        return None
