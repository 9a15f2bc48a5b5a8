"""Making and changing rules for alarms: REST, pages and the command line use it."""

from collections.abc import Mapping
from typing import Any

from django.db import IntegrityError, transaction
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from osgp.accounts.caller import Caller
from osgp.accounts.functions import Scope
from osgp.accounts.models import Organisation
from osgp.alarms.models import AlarmRule
from osgp.cosem.alarms import list_alarm_types
from osgp.faults import Component, Fault, FaultCode
from osgp.messages.operation import MeterOperation, Operation
from osgp.messages.priorities import DEFAULT_PRIORITY
from osgp.messages.serializers import (
    BooleanField,
    CharField,
    ChoiceField,
    IntegerField,
    StrictSerializer,
)
from osgp.requests.submission import check_scope, find_operation

MOST_RULES = 100
"""Of one organisation: each new alarm is compared with them."""


class RuleFields(StrictSerializer):
    """A rule."""

    name = CharField(max_length=30, help_text="Unique within the organisation.")
    alarm_type = ChoiceField(list_alarm_types())
    message = CharField(max_length=64, help_text="A message to a meter, without secret parameters.")
    parameters = serializers.DictField(default=dict, help_text="Of the message.")
    priority = IntegerField(min_value=0, max_value=9, default=DEFAULT_PRIORITY)
    most_per_hour = IntegerField(
        min_value=1, max_value=60, default=1, help_text="Requests per device and hour."
    )
    only_verified = BooleanField(default=False, help_text="Leave out alarms that anybody may have sent.")
    enabled = BooleanField(default=True)


def list_rules(organisation: Organisation) -> Any:
    """Return the rules of an organisation."""
    return AlarmRule.objects.filter(organisation=organisation).order_by("name")


def may_be_sent(operation: Operation) -> bool:
    """Return whether rules may send a message: one to a meter, of whose parameters none is secret."""
    return isinstance(operation, MeterOperation) and not operation.secret_fields


def save_rule(caller: Caller, body: Any, rule: AlarmRule | None = None) -> AlarmRule:
    """Validate and store a new rule, or ``rule`` with other values.

    Raises ValidationError by field, and Fault 301 unless the caller has the scope ``management`` and that of
    the message, 401 for an unknown or unsuitable message.
    """
    check_scope(caller, Scope.MANAGEMENT)
    if not isinstance(body, Mapping):
        raise ValidationError("Must be a JSON object.")
    fields = RuleFields(data=dict(body))
    fields.is_valid(raise_exception=True)
    values = fields.validated_data
    _check_message(caller, values["message"], values["parameters"])
    of_organisation = AlarmRule.objects.filter(organisation=caller.organisation)
    if rule is None:
        if of_organisation.count() >= MOST_RULES:
            raise ValidationError({"name": [f"There may be {MOST_RULES} rules at most."]})
        rule = AlarmRule(organisation=caller.organisation)
    for name, value in values.items():
        setattr(rule, name, value)
    rule.last_fault = None
    try:
        with transaction.atomic():
            rule.save()
    except IntegrityError:
        raise ValidationError({"name": ["There is a rule of this name."]}) from None
    return rule


def _check_message(caller: Caller, message: str, parameters: Mapping[str, Any]) -> None:
    operation = find_operation(message)
    check_scope(caller, operation.service)
    if not may_be_sent(operation):
        raise Fault(
            FaultCode.VALIDATION_ERROR,
            f"{message} cannot be sent by a rule.",
            component=Component.WEB_SERVICE,
            pointer="/message",
        )
    try:
        operation.parse(dict(parameters))
    except ValidationError as error:
        raise ValidationError({"parameters": error.detail}) from None
