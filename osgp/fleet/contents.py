"""What a batch sends to each of its devices: one message, or a bundle of several.

Both are a sequence of actions, so that all that follows, from the checks to the rows, knows one kind only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

from rest_framework.exceptions import ValidationError

from osgp.accounts.caller import Caller
from osgp.bundle.actions import collect_errors
from osgp.bundle.bundle import Bundle
from osgp.devices.models import Device
from osgp.faults import Component, Fault, FaultCode
from osgp.messages.operation import MeterOperation, Operation, ParameterValues
from osgp.requests.abilities import find_inability
from osgp.requests.queries import GrantedDevice
from osgp.requests.submission import check_device, check_grant, find_operation

BatchOperation: TypeAlias = MeterOperation[Any, Any] | Bundle

ABOUT_ONE_DEVICE = "{} is about one device and cannot be sent to many."
SAME_FOR_ALL = (
    "The actions of a batch are the same for all meters, so they are about the meter itself. Send a message "
    "for M-Bus devices as a batch or schedule of its own, with the same window to share a visit."
)
DEVICE_FIELD = "device_identification"


@dataclass(frozen=True)
class BatchAction:
    """One message with its validated parameters."""

    operation: MeterOperation[Any, Any]
    parameters: ParameterValues = field(repr=False)

    def as_json(self) -> dict[str, Any]:
        """Return the parameters as an action stores them."""
        return self.operation.represent_parameters(self.parameters)


@dataclass(frozen=True)
class Content:
    """A message that may be sent to many devices, with the actions that each request of it has."""

    operation: BatchOperation
    actions: Sequence[BatchAction]

    @property
    def is_bundle(self) -> bool:
        """Whether it is a bundle, which is a message beside its actions."""
        return isinstance(self.operation, Bundle)

    def as_json(self) -> dict[str, Any]:
        """Return the parameters of the message, to store with a batch and to parse again."""
        if not self.is_bundle:
            return self.actions[0].as_json()
        written = [{"message": each.operation.message, **each.as_json()} for each in self.actions]
        return {"actions": written}

    def check_device(self, identification: str, granted: GrantedDevice | None) -> "Recipient":
        """Return the device if it can carry out the message, and the organisation may have it done.

        Raises Fault as osgp.requests.submission.check_device does. An action of a bundle that the device
        cannot do is none of these: it gets its fault, and the device gets the others all the same.
        """
        if not isinstance(self.operation, Bundle):
            [action] = self.actions
            return Recipient(check_device(self.operation, identification, granted, action.parameters), {})
        device = check_device(self.operation, identification, granted, {})
        faults: dict[int, Fault] = {}
        for position, action in enumerate(self.actions):
            check_grant(action.operation, identification, granted)
            if fault := find_inability(action.operation, device, action.parameters, device):
                faults[position] = fault
        return Recipient(device, faults)


class Recipient(NamedTuple):
    """A device that gets the message; ``faults``: why it cannot do some actions of a bundle, by position."""

    device: Device
    faults: Mapping[int, Fault]


def may_be_batched(operation: Operation) -> bool:
    """Return whether a message can be the same for many devices."""
    return isinstance(operation, Bundle) or _is_for_many(operation)


def find_batch_operation(message: str) -> BatchOperation:
    """Return the operation of a message that may be sent to many devices. Raises Fault 401.

    Messages that only change the platform, and those with keys in them, are about one device each.
    """
    operation = find_operation(message)
    if not may_be_batched(operation):
        raise Fault(
            FaultCode.VALIDATION_ERROR,
            ABOUT_ONE_DEVICE.format(message),
            component=Component.WEB_SERVICE,
            pointer="/message",
        )
    assert isinstance(operation, MeterOperation | Bundle)
    return operation


def may_be_batch_action(operation: Operation) -> bool:
    """Return whether a message may be an action of a bundle that is sent to many meters."""
    return operation.bundleable and _is_for_many(operation) and not _find_unsuitable_devices(operation)


def parse_content(operation: BatchOperation, parameters: Mapping[str, Any]) -> Content:
    """Validate JSON parameters. Raises ValidationError by field; of a bundle, by position of its actions."""
    if not isinstance(operation, Bundle):
        return Content(operation, [BatchAction(operation, operation.parse(parameters))])
    own = operation.parameters_serializer(data=dict(parameters))
    own.is_valid(raise_exception=True)
    drafts = own.validated_data["actions"]
    faulty = collect_errors(drafts)
    for position, (draft, written) in enumerate(zip(drafts, parameters["actions"], strict=True)):
        if draft.operation is None:
            continue
        if (text := _find_unsuitable(draft.operation)) is not None:
            faulty[position] = {"message": [text]}
        elif DEVICE_FIELD in written:
            faulty[position] = {**draft.errors, DEVICE_FIELD: [SAME_FOR_ALL]}
    if faulty:
        errors: dict[str, Any] = {"actions": dict(sorted(faulty.items()))}
        raise ValidationError(errors)
    return Content(operation, [BatchAction(draft.operation, draft.parameters) for draft in drafts])


def find_missing_scopes(caller: Caller, content: Content) -> dict[str, Any]:
    """Return error details for the actions of a bundle whose scopes the token lacks; empty if it has all.

    The scope of the message itself is checked before its parameters are looked at.
    """
    missing = {
        position: {"message": [f"The token does not have the scope {action.operation.service}."]}
        for position, action in enumerate(content.actions)
        if content.is_bundle and not caller.has_scope(action.operation.service)
    }
    return {"actions": missing} if missing else {}


def _is_for_many(operation: Operation) -> bool:
    return isinstance(operation, MeterOperation) and not operation.secret_fields


def _find_unsuitable(operation: MeterOperation[Any, Any]) -> str | None:
    """Why no meter at all can have this message as an action of a batch's bundle."""
    if not _is_for_many(operation):
        return ABOUT_ONE_DEVICE.format(operation.message)
    return _find_unsuitable_devices(operation)


def _find_unsuitable_devices(operation: Operation) -> str | None:
    if operation.device_types & Bundle.device_types:
        return None
    suitable = ", ".join(sorted(operation.device_types))
    return f"{operation.message} is for {suitable}. {SAME_FOR_ALL}"
