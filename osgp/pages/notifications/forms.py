"""The forms about endpoints. What is valid is decided by the services, as for callers of the API."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib.admin.widgets import FilteredSelectMultiple
from django.db.models import QuerySet
from django.utils.html import format_html
from django.utils.safestring import SafeString

from osgp.accounts.models import Organisation
from osgp.messages.registry import list_operations
from osgp.messages.serializers import StrictSerializer
from osgp.notifications.endpoints import EndpointFields, RotationFields
from osgp.notifications.models import Endpoint
from osgp.notifications.replaying import ReplayFields
from osgp.pages.shared.display_values import make_label
from osgp.pages.shared.form_fields import make_form_field
from osgp.pages.shared.message_forms import MessageForm

LABELS = {"url": "URL", "overlap_hours": "Overlap in hours"}
FILTERS = ("kinds", "messages", "statuses")


class ServiceForm(MessageForm):
    """A form of the fields of one service; its errors are taken as those of messages are."""

    def add_fields(self, serializer: StrictSerializer) -> None:
        """One field for each of the serializer's."""
        for name, field in serializer.fields.items():
            self.fields[name] = make_form_field(field)
            self.fields[name].label = LABELS.get(name) or make_label(name)

    def build_body(self) -> dict[str, Any]:
        """JSON of what was filled in; call it on a valid form."""
        return {name: value for name, value in self.cleaned_data.items() if value not in (None, "")}


class SearchedChoices(FilteredSelectMultiple):
    """Many choices with a search, in a box of their own: Django's script puts its boxes first into it."""

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        return format_html('<div class="choices">{}</div>', super().render(name, value, attrs, renderer))


class EndpointForm(ServiceForm):
    """A new endpoint, or one that is changed; it stays with its organisation."""

    def __init__(
        self,
        data: Mapping[str, Any] | None,
        *,
        organisations: QuerySet[Organisation],
        endpoint: Endpoint | None = None,
    ) -> None:
        names = ("url", "description", *FILTERS)
        initial = {} if endpoint is None else {name: getattr(endpoint, name) for name in names}
        super().__init__(data, initial=initial)
        if endpoint is None:
            self.fields["organisation"] = forms.ModelChoiceField(organisations, empty_label=None)
        self.add_fields(EndpointFields())
        self.fields["url"].widget = forms.URLInput(
            attrs={"class": "vLargeTextField", "data-required": "yes", "placeholder": "https://…"}
        )
        known = {item.message for item in list_operations()}
        # A message that is gone is refused when it is saved; were it left out, the filter might become empty.
        stored = set() if endpoint is None else set(endpoint.messages)
        self.fields["messages"] = forms.MultipleChoiceField(
            choices=[(name, name) for name in sorted(known | stored)],
            required=False,
            label="Messages",
            help_text=self.fields["messages"].help_text.partition(" As JSON")[0],
            widget=SearchedChoices("messages", is_stacked=False),
        )

    def build_body(self) -> dict[str, Any]:
        """All fields, empty ones too: an empty filter stands for everything."""
        return {name: value for name, value in self.cleaned_data.items() if name != "organisation"}

    @property
    def receiver_fields(self) -> list[forms.BoundField]:
        """Where notifications go."""
        return [self[name] for name in self.fields if name not in FILTERS]

    @property
    def filter_fields(self) -> list[forms.BoundField]:
        """Which ones."""
        return [self[name] for name in FILTERS]


class RotationForm(ServiceForm):
    """How a secret is replaced."""

    def __init__(self, data: Mapping[str, Any] | None) -> None:
        super().__init__(data)
        self.add_fields(RotationFields())
        # An empty field is no way to say how long a leaked secret goes on.
        self.fields["overlap_hours"].required = True
        self.fields["overlap_hours"].help_text += " 0 ends the former one at once, as when it leaked."


class ReplayForm(ServiceForm):
    """Which deliveries are sent again."""

    def __init__(self, data: Mapping[str, Any] | None, initial: Mapping[str, Any] | None = None) -> None:
        super().__init__(data, initial=dict(initial or {}))
        self.add_fields(ReplayFields())
