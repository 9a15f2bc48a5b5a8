"""The form field in which people enter what a field of a message takes.

Only text is turned into JSON here; what is valid is decided by submission.
"""

import json
import re
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from django import forms
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from rest_framework import serializers

from osgp.messages import relative_periods
from osgp.messages.serializers import utc_text
from osgp.pages.shared.display_values import make_label


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


class RowsInput(forms.Textarea):
    """JSON of a list of flat objects. With the help of a script (row_editor.js) it is a table of fields."""

    def __init__(self, columns: list[dict[str, Any]]) -> None:
        attrs = {"rows": 8, "class": "vLargeTextField json", "spellcheck": "false"}
        super().__init__({**attrs, "data-columns": json.dumps(columns)})


class RowsField(JsonField):
    """A list of objects, each of them a row."""

    def __init__(self, *, columns: list[dict[str, Any]], **options: Any) -> None:
        super().__init__(widget=RowsInput(columns), **options)


def describe_place(field: forms.Field, path: str) -> str:
    """``0/day_id`` in a table of rows -> ``Row 1, Day id``; other paths stay as they are."""
    if isinstance(field, RowsField) and (match := re.fullmatch(r"([0-9]+)(?:/([a-z_]+))?", path)):
        column = f", {make_label(match[2])}" if match[2] else ""
        return f"Row {int(match[1]) + 1}{column}"
    return path


def _describe_columns(field: serializers.ListSerializer) -> list[dict[str, Any]] | None:
    """Describe the columns of a table of rows to its script; None if rows have parts themselves."""
    assert isinstance(field.child, serializers.Serializer)
    columns = []
    for name, part in field.child.fields.items():
        column: dict[str, Any] = {"name": name, "label": make_label(name), "required": part.required}
        if part.help_text:
            column["help"] = str(part.help_text)
        if isinstance(part, serializers.ChoiceField):
            column["kind"], column["choices"] = "choice", list(part.choices)
        elif isinstance(part, serializers.BooleanField):
            column["kind"] = "truth"
        elif isinstance(part, serializers.IntegerField):
            column["kind"], column["min"], column["max"] = "number", part.min_value, part.max_value
        elif isinstance(part, serializers.CharField):
            column["kind"] = "text"
        else:
            return None
        default: Any = part.default
        if default is not serializers.empty and not callable(default):
            column["default"] = default
        columns.append(column)
    return columns


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
    elif isinstance(result, RowsField):
        result.widget.attrs["placeholder"] = json.dumps(make_example(field), ensure_ascii=False)
    elif isinstance(result, JsonField):
        help_text = f"{help_text} As JSON, like {json.dumps(make_example(field), ensure_ascii=False)}".strip()
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
    if isinstance(field, serializers.ListSerializer) and (columns := _describe_columns(field)):
        return RowsField, {"columns": columns}
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


def format_parameter(value: Any) -> Any:
    """A stored parameter as its form field shows it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", value):
        return value[:19]
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        lines = ",\n ".join(json.dumps(item, ensure_ascii=False) for item in value)
        return f"[{lines}]"
    simple = isinstance(value, list) and all(isinstance(item, str) for item in value)
    return json.dumps(value) if isinstance(value, dict | list) and not simple else value
