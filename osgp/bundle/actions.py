"""The actions of a bundle as callers write them: each a message, its parameters, and perhaps its device."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from drf_spectacular.utils import PolymorphicProxySerializer, extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from osgp.messages import registry
from osgp.messages.operation import MeterOperation, ParameterValues
from osgp.messages.serializers import ChoiceField, StrictSerializer, make_printable
from osgp.requests.submission import DeviceIdentificationField

MOST_ACTIONS = 500

Errors = dict[str, Any]
"""Error texts by field."""


class ActionDevice(StrictSerializer):
    """What an action may say beside its message and parameters."""

    device_identification = DeviceIdentificationField(
        required=False,
        help_text="An M-Bus device of the bundle's meter that the action is about; the meter itself when "
        "left out.",
    )


@dataclass(frozen=True)
class Draft:
    """An action, validated by itself; it is valid if ``errors`` is empty."""

    operation: MeterOperation | None = None
    parameters: ParameterValues = field(default_factory=dict, repr=False)
    device_identification: str | None = None
    errors: Errors = field(default_factory=dict)

    @classmethod
    def from_json(cls, action: Any) -> "Draft":
        """Validate one action: its message, its device identification, its parameters."""
        if not isinstance(action, Mapping):
            return cls(errors={"": ["Must be a JSON object."]})
        try:
            operation = _find_operation(action)
        except ValidationError as error:
            return cls(errors={"message": error.detail})
        errors: Errors = {}
        device = ActionDevice(data={name: action[name] for name in action if name in _OWN_FIELDS})
        if not device.is_valid():
            errors.update(device.errors)
        parameters: ParameterValues = {}
        try:
            parameters = operation.parse(
                {name: action[name] for name in action if name != "message" and name not in _OWN_FIELDS}
            )
        except ValidationError as error:
            errors.update(error.detail if isinstance(error.detail, dict) else {"": error.detail})
        identification = None if errors else device.validated_data.get("device_identification")
        return cls(operation, parameters, identification, errors)

    def as_json(self) -> dict[str, Any]:
        """The action as callers write it, from its validated values."""
        assert self.operation is not None
        device = {"device_identification": self.device_identification} if self.device_identification else {}
        return {
            "message": self.operation.message,
            **device,
            **self.operation.represent_parameters(self.parameters),
        }


_OWN_FIELDS = frozenset(ActionDevice().fields)


def collect_errors(drafts: Sequence[Draft]) -> dict[int, Errors]:
    """Return the errors of the faulty ones by their position."""
    return {position: draft.errors for position, draft in enumerate(drafts) if draft.errors}


def _find_operation(action: Mapping[str, Any]) -> MeterOperation:
    """The operation of an action's message. Raises ValidationError."""
    if "message" not in action:
        raise ValidationError(["This field is required."])
    name = action["message"]
    if not isinstance(name, str):
        raise ValidationError(["Must be a string."])
    try:
        operation = registry.find_operation(name)
    except registry.UnknownMessage:
        raise ValidationError([f"There is no message {make_printable(name)}."]) from None
    if not isinstance(operation, MeterOperation) or not operation.bundleable:
        raise ValidationError([f"{name} cannot be part of a bundle."])
    return operation


@cache
def make_action_serializer(operation: MeterOperation) -> type[serializers.Serializer]:
    """An action of one message, as the OpenAPI document describes it."""
    members = {"__doc__": operation.__doc__, "message": ChoiceField([operation.message])}
    return type(f"{operation.message}Action", (operation.parameters_serializer, ActionDevice), members)


def _make_action_serializers() -> dict[str, serializers.Serializer | type[serializers.Serializer]]:
    return {operation.message: make_action_serializer(operation) for operation in registry.list_bundleable()}


@extend_schema_field(
    # Messages register themselves one after another: they are looked up when the document is made.
    PolymorphicProxySerializer("BundleAction", _make_action_serializers, resource_type_field_name="message")
)
class ActionField(serializers.Field):
    """One action of :class:`ActionsField`, which validates it."""

    example = {"message": "SynchronizeTime"}

    def to_representation(self, value: Draft) -> dict[str, Any]:
        return value.as_json()


class ActionsField(serializers.ListField):
    """1 to 500 actions, in the order in which they are carried out.

    Faulty actions do not make the list invalid: they are reported together with missing rights on the others
    (osgp/bundle/bundle.py).
    """

    child = ActionField()

    def __init__(self, **options: Any) -> None:
        super().__init__(min_length=1, max_length=MOST_ACTIONS, **options)

    def to_internal_value(self, data: Any) -> list[Any]:
        if not isinstance(data, list):
            self.fail("not_a_list", input_type=type(data).__name__)
        # Before any of them is looked at: a body has room for tens of thousands.
        self.run_validators(data)
        return [Draft.from_json(action) for action in data]
