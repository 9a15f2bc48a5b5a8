"""Forms for one message to many devices, now or again and again.

As everywhere in the admin, a form only turns text into the JSON that a client would have posted; what is
valid is decided by submission, and its errors are put at their fields.
"""

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from django import forms
from django.db.models import QuerySet
from django.http import HttpRequest

from osgp.accounts.models import Organisation
from osgp.batches.models import RecurringRequest
from osgp.bundle.bundle import Bundle
from osgp.device_groups.models import DeviceGroup
from osgp.fleet.contents import may_be_batched
from osgp.fleet.schedule_submission import PERIODS
from osgp.fleet.schedules import format_cron
from osgp.fleet.submission import MOST_ERRORS, ONE_TARGET, REPEATED
from osgp.messages.operation import Operation
from osgp.messages.priorities import DEFAULT_PRIORITY
from osgp.messages.registry import list_operations
from osgp.messages.serializers import list_time_zones
from osgp.pages.access import get_organisation
from osgp.pages.batches.schedule_text import format_window
from osgp.pages.shared.form_fields import MomentField, format_parameter
from osgp.pages.shared.message_forms import MessageForm, list_choices

ABOUT_THE_METER = "They are the same for all meters: none names a device, or is for M-Bus devices."
NAMED_ERRORS = 20
"""Refused devices that a form names."""
MINUTE, HOUR, DAY = 60, 3600, 86400
SPREADS = [
    0,
    30,
    *(number * MINUTE for number in (1, 5, 15, 30)),
    *(number * HOUR for number in (1, 2, 4, 8)),
]
SPREADS += [DAY, 7 * DAY]
DURATIONS = [number * MINUTE for number in (5, 15, 30)] + [number * HOUR for number in (1, 2, 4, 8, 12)]
DURATIONS += [DAY, 7 * DAY]


class ChooseFleetForm(forms.Form):
    """Which message, and in whose name; the rest is asked for once both are known."""

    organisation = forms.ModelChoiceField(Organisation.objects.none(), empty_label=None)
    message = forms.ChoiceField(required=False)
    suits: Callable[[Operation], bool] = staticmethod(may_be_batched)
    """Which messages there are to choose from."""

    def __init__(self, data: Mapping[str, Any], *, request: HttpRequest) -> None:
        own = get_organisation(request)
        organisations = Organisation.objects.filter(enabled=True) if own is None else None
        chosen = {name: value for name, value in data.items() if value}
        number = str(chosen.get("organisation", ""))
        if organisations is None:
            organisations = Organisation.objects.filter(pk=own.pk) if own else Organisation.objects.none()
        found = organisations.filter(pk=number).first() if re.fullmatch(r"[0-9]{1,18}", number) else None
        self.chosen = found or organisations.first()
        super().__init__(chosen | {"organisation": self.chosen.pk if self.chosen else ""})
        field = self.fields["organisation"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = organisations
        field.widget.attrs["data-submits"] = "yes"
        if own is not None:
            field.widget = forms.HiddenInput()
        messages = self.fields["message"]
        assert isinstance(messages, forms.ChoiceField)
        messages.choices = list_choices(self.suits)
        messages.widget.attrs["data-submits"] = "yes"

    @property
    def operation(self) -> Operation | None:
        """The chosen message, if it is one of these."""
        name = self.data.get("message")
        return next((item for item in list_operations() if item.message == name and self.suits(item)), None)


def _list_lengths(choices: list[int], none: str) -> list[tuple[str, str]]:
    return [(str(number), format_window(timedelta(seconds=number)) if number else none) for number in choices]


class FleetForm(MessageForm):
    """The devices, the parameters and the priority of one message."""

    parameter_prefix = "parameter-"
    aliases: Mapping[str, str] = {"device_group": "group", "device_identifications": "devices"}

    group = forms.ModelChoiceField(
        DeviceGroup.objects.none(), required=False, empty_label="– list of devices –", label="Device group"
    )
    devices = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 4, "class": "vLargeTextField json", "spellcheck": "false"}),
        label="Devices",
        help_text="If no group is chosen: device identifications, one per line, at most 10,000.",
    )
    priority = forms.IntegerField(
        required=False,
        widget=forms.NumberInput(attrs={"min": 0, "max": 9}),
        initial=DEFAULT_PRIORITY,
        help_text="0 to 9; higher goes first.",
    )
    bypass_retry = forms.BooleanField(required=False, label="No retries")
    spread_seconds = forms.ChoiceField(
        choices=_list_lengths(SPREADS, "all at once"),
        required=False,
        label="Spread over",
        help_text="Start times are spread over this window, so that meters are not all dialled at once.",
    )

    def __init__(
        self,
        data: Mapping[str, Any] | None,
        *,
        operation: Operation,
        groups: QuerySet[DeviceGroup],
        initial: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(data, initial=dict(initial or {}))
        self.add_parameters(operation)
        if isinstance(operation, Bundle):
            field = self.fields[f"{self.parameter_prefix}actions"]
            field.help_text = f"{field.help_text} {ABOUT_THE_METER}"
        group = self.fields["group"]
        assert isinstance(group, forms.ModelChoiceField)
        group.queryset = groups

    def build_body(self) -> dict[str, Any]:
        """What both kinds have in common; call it on a valid form."""
        cleaned = self.cleaned_data
        body: dict[str, Any] = {
            "message": self.operation.message,
            "bypass_retry": cleaned["bypass_retry"],
            "spread_seconds": int(cleaned["spread_seconds"] or 0),
        }
        if cleaned["priority"] is not None:
            body["priority"] = cleaned["priority"]
        if cleaned["group"] is not None:
            body["device_group"] = cleaned["group"].name
        if identifications := cleaned["devices"].split():
            body["device_identifications"] = identifications
        return body

    def take_errors(self, detail: Any) -> None:
        """As usual; devices that were refused are named instead of their positions."""
        if isinstance(detail, Mapping):
            detail = dict(detail)
            problems = detail.pop("device_identifications", None)
            if isinstance(problems, Mapping):
                for text in self._name_refused(problems):
                    self.add_error("devices", text)
            elif problems is not None:
                detail["device_identifications"] = problems
            general = detail.get("non_field_errors", [])
            if ONE_TARGET in general:
                detail["non_field_errors"] = [text for text in general if text != ONE_TARGET]
                chosen = self.cleaned_data.get("group") is not None
                text = "Leave it empty, or choose no group." if chosen else "Choose a group, or name devices."
                self.add_error("devices", text)
        super().take_errors(detail)

    def _name_refused(self, problems: Mapping[str, Any]) -> list[str]:
        """The first devices that were refused, each with its line."""
        words = self.cleaned_data["devices"].split()
        texts = []
        for position, errors in sorted(problems.items(), key=lambda item: int(item[0]))[:NAMED_ERRORS]:
            for error in errors:
                text = "Listed before." if getattr(error, "code", "") == REPEATED else error
                texts.append(f"No. {int(position) + 1}, {words[int(position)][:40]}: {text}")
        if len(problems) > NAMED_ERRORS:
            more = "or more " if len(problems) >= MOST_ERRORS else ""
            texts.append(f"… {len(problems):,} {more}in all.")
        return texts

    def pick(self, *names: str) -> list[forms.BoundField]:
        """Some of its fields, for a template."""
        return [self[name] for name in names]

    @property
    def parameter_fields(self) -> list[forms.BoundField]:
        """Those of the message."""
        return self.pick(*self.parameter_names)

    @property
    def target_fields(self) -> list[forms.BoundField]:
        """To whom."""
        return self.pick("group", "devices")


class BatchForm(FleetForm):
    """A batch, now or once at another time."""

    skip_invalid = forms.BooleanField(
        required=False,
        label="Skip devices that do not support it",
        help_text="Otherwise a list with such a device is refused. In a group, they are always skipped.",
    )
    schedule_time = MomentField(required=False, label="Not before", help_text="UTC. Empty: now.")
    max_schedule_time = MomentField(
        required=False, label="Not after", help_text="UTC. Requests not started by then fail with code 417."
    )

    def build_body(self) -> dict[str, Any]:
        cleaned = self.cleaned_data
        body = {**self.collect_parameters(), **super().build_body()}
        if cleaned["skip_invalid"] and "device_group" not in body:
            body["skip_invalid"] = True
        return body | {
            name: cleaned[name] for name in ("schedule_time", "max_schedule_time") if cleaned[name]
        }

    @property
    def target_fields(self) -> list[forms.BoundField]:
        """To whom."""
        return self.pick("group", "devices", "skip_invalid")

    @property
    def scheduling_fields(self) -> list[forms.BoundField]:
        """When, and with which priority."""
        return self.pick("spread_seconds", "schedule_time", "max_schedule_time", "priority", "bypass_retry")


class RecurringForm(FleetForm):
    """A schedule."""

    name = forms.CharField(
        max_length=64,
        required=False,
        widget=forms.TextInput(attrs={"data-required": "yes", "class": "vTextField"}),
        help_text="Unique, e.g. day values north.",
    )
    kind = forms.ChoiceField(
        choices=[("cron", "By the clock (cron)"), ("every", "At an interval")],
        initial="cron",
        widget=forms.RadioSelect,
        label="Repeat",
    )
    cron = forms.CharField(
        required=False,
        initial="0 3 * * *",
        widget=forms.TextInput(attrs={"list": "crons", "class": "cron", "autocomplete": "off"}),
        help_text="Minute, hour, day of month, month, day of week (0 is Sunday). If both days are given, "
        "both have to match.",
    )
    time_zone = forms.ChoiceField(
        required=False, help_text="The crontab is in local time of this zone, with daylight saving time."
    )
    every = forms.IntegerField(required=False, widget=forms.NumberInput(attrs={"min": 1}), initial=15)
    period = forms.ChoiceField(choices=[(name, name) for name in PERIODS], required=False, initial="minutes")
    starts_at = MomentField(
        required=False,
        label="Starts at",
        help_text="UTC. No occurrences before this time; intervals are counted from it.",
    )
    max_duration_seconds = forms.ChoiceField(
        choices=[("", "no limit"), *_list_lengths(DURATIONS, "")],
        required=False,
        label="Give up after",
        help_text="Requests not started this long after the occurrence are given up.",
    )
    enabled = forms.BooleanField(required=False, initial=True, label="Active")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        zones = self.fields["time_zone"]
        assert isinstance(zones, forms.ChoiceField)
        zones.choices = [(zone, zone) for zone in sorted(list_time_zones())]
        zones.initial = "UTC"
        for name in ("spread_seconds", "max_duration_seconds"):
            _offer(self.fields[name], self.initial.get(name))

    def build_body(self) -> dict[str, Any]:
        cleaned = self.cleaned_data
        body = {
            **super().build_body(),
            "name": cleaned["name"],
            "parameters": self.collect_parameters(),
            "enabled": cleaned["enabled"],
        }
        if cleaned["kind"] == "cron":
            body |= {"cron": cleaned["cron"], "time_zone": cleaned["time_zone"] or "UTC"}
        elif cleaned["every"] is not None:
            body |= {"every": cleaned["every"], "period": cleaned["period"] or "minutes"}
        if cleaned["starts_at"]:
            body["starts_at"] = cleaned["starts_at"]
        if cleaned["max_duration_seconds"]:
            body["max_duration_seconds"] = int(cleaned["max_duration_seconds"])
        return body

    @property
    def name_fields(self) -> list[forms.BoundField]:
        """Its name, and whether it is active."""
        return self.pick("name", "enabled")

    @property
    def schedule_fields(self) -> list[forms.BoundField]:
        """When."""
        return self.pick("kind", "cron", "time_zone", "every", "period", "starts_at")

    @property
    def scheduling_fields(self) -> list[forms.BoundField]:
        """How fast, and with which priority."""
        return self.pick("spread_seconds", "max_duration_seconds", "priority", "bypass_retry")


def fill_in(row: RecurringRequest) -> dict[str, Any]:
    """What the form of a stored schedule shows at first."""
    identifications = row.devices.order_by("identification").values_list("identification", flat=True)
    filled_in = {
        "name": row.name,
        "group": row.group_id,
        "devices": "\n".join(identifications),
        "priority": row.priority,
        "bypass_retry": row.bypass_retry,
        "spread_seconds": _format_seconds(row.spread),
        "max_duration_seconds": "" if row.max_duration is None else _format_seconds(row.max_duration),
        "kind": "cron" if row.crontab_id else "every",
        "starts_at": row.starts_at.replace(microsecond=0),
        "enabled": row.enabled,
    }
    for name, value in row.parameters.items():
        filled_in[f"{FleetForm.parameter_prefix}{name}"] = format_parameter(value)
    if row.crontab is not None:
        filled_in |= {"cron": format_cron(row), "time_zone": str(row.crontab.timezone)}
    if row.interval is not None:
        filled_in |= {"every": row.interval.every, "period": row.interval.period}
    return filled_in


def _format_seconds(value: timedelta) -> str:
    return str(int(value.total_seconds()))


def _offer(field: forms.Field, value: Any) -> None:
    """Let a stored length of time be kept that is none of those on offer."""
    assert isinstance(field, forms.ChoiceField)
    offered: list[Any] = list(field.choices)  # type: ignore[arg-type]
    if value and value not in dict(offered):
        field.choices = [*offered, (value, format_window(timedelta(seconds=int(value))))]
