"""The form of a rule: what it waits for, and the message that it sends then."""

from collections.abc import Mapping
from typing import Any

from django import forms

from osgp.alarms.models import AlarmRule
from osgp.alarms.rule_submission import RuleFields, may_be_sent
from osgp.cosem.alarms import list_alarm_types
from osgp.messages.operation import Operation
from osgp.pages.batches.forms import ChooseFleetForm
from osgp.pages.shared.form_fields import format_parameter
from osgp.pages.shared.message_forms import MessageForm


class ChooseRuleForm(ChooseFleetForm):
    """Which message, and for whose devices; the rest is asked for once both are known."""

    suits = staticmethod(may_be_sent)


class RuleForm(MessageForm):
    """A rule; what is valid is decided by rule_submission.save_rule."""

    parameter_prefix = "parameter-"

    name = forms.CharField(
        max_length=30,
        required=False,
        widget=forms.TextInput(attrs={"data-required": "yes", "class": "vTextField"}),
        help_text="Unique, e.g. look for new gas meters.",
    )
    enabled = forms.BooleanField(required=False, initial=True, label="Active")
    alarm_type = forms.ChoiceField(
        choices=[("", "Choose an alarm"), *((name, name) for name in sorted(list_alarm_types()))],
        required=False,
        label="Alarm",
        widget=forms.Select(attrs={"data-required": "yes"}),
        help_text="A meter that reports it is sent the message.",
    )
    only_verified = forms.BooleanField(
        required=False,
        label="Only if it is verified",
        help_text="Leave out alarms that anybody may have sent.",
    )
    most_per_hour = forms.IntegerField(
        required=False,
        label="Most per hour",
        initial=1,
        widget=forms.NumberInput(attrs={"min": 1, "max": 60}),
        help_text="Requests per device; further alarms send none.",
    )
    priority = forms.IntegerField(
        required=False,
        widget=forms.NumberInput(attrs={"min": 0, "max": 9}),
        initial=RuleFields().fields["priority"].default,
        help_text="0 to 9; higher goes first.",
    )

    def __init__(
        self,
        data: Mapping[str, Any] | None,
        *,
        operation: Operation,
        initial: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(data, initial=dict(initial or {}))
        self.add_parameters(operation)

    def build_body(self) -> dict[str, Any]:
        """What a client would have sent; call it on a valid form."""
        cleaned = self.cleaned_data
        given = {
            name: cleaned[name]
            for name in ("alarm_type", "priority", "most_per_hour")
            if cleaned[name] not in (None, "")
        }
        return {
            "name": cleaned["name"],
            "message": self.operation.message,
            "parameters": self.collect_parameters(),
            "only_verified": cleaned["only_verified"],
            "enabled": cleaned["enabled"],
            **given,
        }

    def pick(self, *names: str) -> list[forms.BoundField]:
        """Some of its fields, for a template."""
        return [self[name] for name in names]

    @property
    def when_fields(self) -> list[forms.BoundField]:
        """What it waits for."""
        return self.pick("name", "enabled", "alarm_type", "only_verified")

    @property
    def parameter_fields(self) -> list[forms.BoundField]:
        """Those of the message."""
        return self.pick(*self.parameter_names)

    @property
    def limit_fields(self) -> list[forms.BoundField]:
        """How much it sends, and with which priority."""
        return self.pick("most_per_hour", "priority")


def fill_in(rule: AlarmRule) -> dict[str, Any]:
    """What the form of a stored rule shows at first."""
    names = ("name", "enabled", "alarm_type", "only_verified", "most_per_hour", "priority")
    parameters = {
        f"{RuleForm.parameter_prefix}{name}": format_parameter(value)
        for name, value in rule.parameters.items()
    }
    return {name: getattr(rule, name) for name in names} | parameters
