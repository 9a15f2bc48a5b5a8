"""Forms to send any message from the admin, derived from the message's parameter serializer.

The form only turns text into JSON; what is valid is decided by submission, as for every other client, and its
errors are put at their fields.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from django import forms
from django.contrib.admin import site
from django.contrib.admin.widgets import AutocompleteSelect
from django.db.models import QuerySet
from django.forms.utils import ErrorDict
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail

from osgp.accounts.models import Organisation
from osgp.accounts.rights import list_visible_devices
from osgp.devices.models import Device
from osgp.faults import Fault
from osgp.messages import relative_periods
from osgp.messages.operation import MeterOperation, Operation, PlatformOperation
from osgp.messages.registry import list_operations
from osgp.messages.serializers import utc_text
from osgp.pages.access import get_organisation
from osgp.pages.shared.display_values import make_label
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
                    self.add_error(name, f"{path}: {text}" if path else text)
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


# --- One form field per serializer field -----------------------------------------------------------------


class TruthField(forms.TypedChoiceField):
    """Yes, no, or nothing said."""

    def __init__(self, **options: Any) -> None:
        choices = [("", "–"), ("true", "Yes"), ("false", "No")]
        super().__init__(choices=choices, coerce=lambda text: text == "true", empty_value=None, **options)


class MomentField(forms.DateTimeField):
    """A time in UTC, as the API writes it."""

    widget = forms.DateTimeInput(attrs={"type": "datetime-local", "step": "1"}, format="%Y-%m-%dT%H:%M:%S")

    def clean(self, value: Any) -> Any:
        moment: datetime | None = super().clean(value)
        return utc_text(moment) if moment is not None else None


class JsonField(forms.Field):
    """Anything that has parts: written as JSON."""

    widget = forms.Textarea(attrs={"rows": 8, "class": "vLargeTextField json", "spellcheck": "false"})

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        if not text:
            return None
        try:
            return json.loads(text, parse_constant=_refuse_constant)
        except RecursionError as error:
            raise forms.ValidationError(
                "This is not JSON that can be read: it is nested too deeply."
            ) from error
        except ValueError as error:
            raise forms.ValidationError(f"This is not JSON: {error}") from error


class SuggestingInput(forms.TextInput):
    """Any text, with some to choose from."""

    def __init__(self, suggestions: Iterable[str], attrs: dict[str, Any]) -> None:
        super().__init__(attrs)
        self._suggestions = list(suggestions)

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        attrs = {**(attrs or {}), "list": f"suggestions_{name}"}
        options = format_html_join("", '<option value="{}">', ((text,) for text in self._suggestions))
        field = super().render(name, value, attrs, renderer)
        return format_html('{}<datalist id="{}">{}</datalist>', field, attrs["list"], options)


class RelativePeriodField(forms.CharField):
    """A period by its name, as a number and a unit, or as JSON."""

    widget = SuggestingInput(
        relative_periods.NAMED, {"class": "vTextField", "placeholder": "PREVIOUS_DAY or 96 INTERVAL"}
    )

    def clean(self, value: Any) -> Any:
        text: str = super().clean(value)
        if text.startswith("{"):
            return JsonField(required=False).clean(text)
        counted = re.fullmatch(r"([0-9]{1,9})\s+([A-Za-z]+)", text)
        if counted is None:
            return text.upper()
        return {"last": int(counted[1]), "unit": counted[2].upper().removesuffix("S")}


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def make_form_field(field: serializers.Field, *, secret: bool = False) -> forms.Field:
    """The form field in which people enter what a serializer field takes.

    Nothing but its JSON type is checked here, so all of them may be left empty.
    """
    make, options = _choose_field(field)
    result = make(required=False, **options)
    help_text = str(field.help_text or "")
    if isinstance(result, MomentField):
        help_text = f"{help_text} UTC.".strip()
    if isinstance(result, RelativePeriodField):
        names = ", ".join(relative_periods.NAMED)
        help_text = f"{help_text} {names}, or a number of INTERVAL, HOUR, DAY or MONTH."
    elif isinstance(result, JsonField):
        help_text = f"{help_text} As JSON, like {json.dumps(make_example(field))}".strip()
    result.help_text = help_text
    if field.default is not serializers.empty and not callable(field.default):
        default = field.default
        result.initial = str(default).lower() if isinstance(default, bool) else default
    if secret:
        result.widget = forms.PasswordInput(attrs={"autocomplete": "off", "class": "vLargeTextField"})
    if field.required:
        result.widget.attrs["data-required"] = "yes"
    return result


def _choose_field(field: serializers.Field) -> tuple[Callable[..., forms.Field], dict[str, Any]]:
    if isinstance(field, serializers.BooleanField):
        return TruthField, {}
    if isinstance(field, serializers.IntegerField):
        return forms.IntegerField, {}
    if isinstance(field, serializers.MultipleChoiceField):
        return forms.MultipleChoiceField, {
            "choices": list(field.choices.items()),
            "widget": forms.CheckboxSelectMultiple(),
        }
    if isinstance(field, serializers.ChoiceField):
        return forms.ChoiceField, {"choices": [("", "–"), *field.choices.items()]}
    if isinstance(field, serializers.DateTimeField):
        return MomentField, {}
    if isinstance(field, serializers.ListField) and isinstance(field.child, serializers.ChoiceField):
        return forms.MultipleChoiceField, {
            "choices": list(field.child.choices.items()),
            "widget": forms.CheckboxSelectMultiple(),
        }
    if isinstance(field, serializers.BaseSerializer | serializers.ListField | serializers.DictField):
        return JsonField, {}
    if isinstance(field, serializers.JSONField):
        return JsonField, {}
    if isinstance(field, relative_periods.RelativePeriodField):
        return RelativePeriodField, {}
    return forms.CharField, {"strip": False, "widget": forms.TextInput(attrs={"class": "vTextField"})}


def make_example(field: serializers.Field) -> Any:
    """The JSON shape that a serializer field takes, with a plausible value in each place.

    A field that only its message knows has one itself, as its ``example``.
    """
    if (own := getattr(field, "example", None)) is not None:
        return own
    if isinstance(field, serializers.ListSerializer | serializers.ListField):
        return [make_example(field.child)]  # type: ignore[arg-type]
    if isinstance(field, serializers.Serializer):
        return {name: make_example(child) for name, child in field.fields.items() if not child.read_only}
    if isinstance(field, serializers.ChoiceField):
        return next(iter(field.choices), "")
    if isinstance(field, serializers.BooleanField):
        return True
    if isinstance(field, serializers.IntegerField):
        return field.min_value if field.min_value is not None and field.min_value > 0 else 1
    if isinstance(field, serializers.DateTimeField):
        return "2026-01-31T14:00:00Z"
    return "…"
