"""Forms to send any message from the admin, derived from the message's parameter serializer.

The form only turns text into JSON; what is valid is decided by submission, as for every other client, and its
errors are put at their fields.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from django import forms
from django.contrib.admin import site
from django.contrib.admin.widgets import AutocompleteSelect
from django.db.models import QuerySet
from django.forms.utils import ErrorDict
from django.http import HttpRequest
from rest_framework.exceptions import ErrorDetail

from osgp.accounts.models import Organisation
from osgp.accounts.rights import list_visible_devices
from osgp.devices.models import Device
from osgp.faults import Fault
from osgp.messages.operation import MeterOperation, Operation, PlatformOperation
from osgp.messages.registry import list_operations
from osgp.pages.access import get_organisation
from osgp.pages.shared.display_values import make_label
from osgp.pages.shared.form_fields import describe_place, make_form_field
from osgp.requests.models import Request
from osgp.requests.submission import CommonFields

DEVICE_FIELD = "device_identification"
COMMON_LABELS = {
    "schedule_time": "Not before",
    "max_schedule_time": "Not after",
    "bypass_retry": "No retries",
}
"""As other pages call what the API names otherwise."""


class ChooseForm(forms.Form):
    """Which message to which device; the parameters are asked for once both are known."""

    device = forms.ModelChoiceField(Device.objects.none(), required=False, help_text="Type to search.")
    message = forms.ChoiceField(required=False)

    def __init__(self, data: Mapping[str, Any] | None, *, request: HttpRequest) -> None:
        chosen = dict(data.items()) if data is not None else {}
        if re.fullmatch(r"[0-9]{1,18}", str(chosen.get("device", ""))) is None:
            # The widget looks up whatever it is given before anything validates it.
            chosen.pop("device", None)
        super().__init__(chosen)
        organisation = get_organisation(request)
        device_field = self.fields["device"]
        assert isinstance(device_field, forms.ModelChoiceField)
        device_field.queryset = (
            Device.objects.all() if organisation is None else list_visible_devices(organisation)
        ).select_related("gateway")
        device_field.widget = AutocompleteSelect(Request._meta.get_field("device"), site)
        device_field.widget.choices = device_field.choices
        number = chosen.get("device")
        device = device_field.queryset.filter(pk=number).first() if number else None
        message_field = self.fields["message"]
        assert isinstance(message_field, forms.ChoiceField)
        message_field.choices = list_choices(lambda item: device is None or _is_suitable(item, device))
        message_field.widget.attrs["data-submits"] = "yes"


def list_choices(suits: Callable[[Operation], bool]) -> list[tuple[str, Any]]:
    """The messages that suit, by service."""
    services: dict[str, list[tuple[str, str]]] = {}
    for item in list_operations():
        if suits(item):
            services.setdefault(str(item.service).capitalize(), []).append((item.message, item.message))
    return [("", "Choose a message"), *services.items()]


def describe_operation(operation: Operation | None) -> str:
    """What API users read about a message, without the marks of its markup."""
    return " ".join((type(operation).__doc__ or "").replace("`", "").split()) if operation is not None else ""


def _is_suitable(item: Operation, device: Device) -> bool:
    if isinstance(item, PlatformOperation):
        return True
    if device.device_type not in item.device_types:
        return False
    try:
        return not isinstance(item, MeterOperation) or item.supports(device.profile)
    except LookupError:
        return True  # Submission says what is wrong with the profile.


class MessageForm(forms.Form):
    """The parameters of one message; what submission refuses is shown at the fields."""

    operation: Operation
    parameter_names: list[str]
    parameter_prefix = ""
    """Keeps parameters apart from other fields of the form."""
    aliases: Mapping[str, str] = {}
    """Fields that have another name here than in the API."""

    def add_parameters(self, operation: Operation) -> None:
        """One field for each parameter of the message."""
        self.operation = operation
        self.parameter_names = []
        for name, field in operation.parameters_serializer().fields.items():
            if not field.read_only:
                key = self.parameter_prefix + name
                self.fields[key] = make_form_field(field, secret=name in operation.secret_fields)
                self.fields[key].label = make_label(name)
                self.parameter_names.append(key)
        for key in self.parameter_names:
            self.fields[key].help_text = self._insert_labels(str(self.fields[key].help_text))

    def add_error(self, field: Any, error: Any) -> None:
        """As usual; what submission says of other fields names them as they are labelled here."""
        super().add_error(field, self._insert_labels(error) if isinstance(error, str) else error)

    def _insert_labels(self, text: str) -> str:
        """``Not before begin_date.`` -> ``Not before “Begin date”.``"""
        for key, field in self.fields.items():
            name = key.removeprefix(self.parameter_prefix)
            if "_" in name and name in text and field.label:
                text = re.sub(rf"\b{re.escape(name)}\b", f"“{field.label}”", text)
        return text

    def collect_parameters(self) -> dict[str, Any]:
        """The parameters that were filled in; call it on a valid form."""
        return {
            key.removeprefix(self.parameter_prefix): self.cleaned_data[key]
            for key in self.parameter_names
            if self.cleaned_data[key] not in (None, "", [])
        }

    def take_errors(self, detail: Any) -> None:
        """Put the errors of a refused submission at their fields, those of others on top."""
        if not isinstance(detail, Mapping):
            detail = {"": detail}
        for name, problems in detail.items():
            if name == "parameters" and isinstance(problems, Mapping):
                self.take_errors(problems)
                continue
            parameter = self.parameter_prefix + str(name)
            name = parameter if parameter in self.fields else self.aliases.get(name, name)
            for path, text in _flatten(problems):
                if name in self.fields:
                    place = describe_place(self.fields[name], path)
                    self.add_error(name, f"{place}: {text}" if place else text)
                else:
                    parts = (str(name).replace("non_field_errors", ""), path)
                    where = "/".join(part for part in parts if part)
                    self.add_error(None, f"{where}: {text}" if where else text)

    def take_fault(self, fault: Fault) -> None:
        """Show a fault at the field that it points to, or on top."""
        name = fault.pointer.strip("/").split("/")[0]
        text = f"{fault.message} (fault {int(fault.code)} {fault.code.name})"
        self.add_error(name if name in self.fields else None, text)


class SendForm(MessageForm):
    """Common fields and parameters of one message; ``body`` is what a client would have posted."""

    def __init__(
        self,
        data: Mapping[str, Any] | None,
        *,
        operation: Operation,
        device: Device | None,
        organisations: QuerySet[Organisation],
    ) -> None:
        super().__init__(data)
        self.device = device
        self.common = dict(CommonFields().fields.items())
        if device is None:
            self.fields[DEVICE_FIELD] = make_form_field(self.common[DEVICE_FIELD])
            self.fields[DEVICE_FIELD].label = "Device identification"
        self.fields["on_behalf_of"] = forms.ModelChoiceField(
            organisations, empty_label=None, help_text="The organisation that sends the request."
        )
        self.add_parameters(operation)
        for name, field in self.common.items():
            if name != DEVICE_FIELD:
                self.fields[name] = make_form_field(field)
                self.fields[name].label = COMMON_LABELS.get(name) or make_label(name)

    def build_body(self) -> dict[str, Any]:
        """JSON of the fields that were filled in; call it on a valid form."""
        body = {
            name: value
            for name, value in self.cleaned_data.items()
            if name != "on_behalf_of" and value not in (None, "", [])
        }
        if self.device is not None:
            body[DEVICE_FIELD] = self.device.identification
        return body

    @property
    def parameter_fields(self) -> list[forms.BoundField]:
        """The message's own fields, and the organisation that sends it."""
        first = [name for name in (DEVICE_FIELD, "on_behalf_of") if name in self.fields]
        return [self[name] for name in (*first, *self.parameter_names)]

    @property
    def scheduling_fields(self) -> list[forms.BoundField]:
        """When, and with which priority."""
        return [self[name] for name in self.common if name != DEVICE_FIELD]

    @property
    def scheduling_is_open(self) -> bool:
        """Whether one of the scheduling fields was refused and has to be seen."""
        errors: ErrorDict = self.errors if self.is_bound else ErrorDict()
        return any(name in errors for name in self.common)


def _flatten(problems: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Nested error details as (path, text)."""
    if isinstance(problems, Mapping):
        for name, inner in problems.items():
            yield from _flatten(inner, f"{path}/{name}".strip("/") if name != "non_field_errors" else path)
    elif isinstance(problems, list | tuple):
        for position, inner in enumerate(problems):
            nested = not isinstance(inner, ErrorDetail | str)
            yield from _flatten(inner, f"{path}/{position}".strip("/") if nested else path)
    else:
        yield path, str(problems)
