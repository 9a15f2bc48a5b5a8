"""Submission of requests: REST, command line, admin, bundles and batches all use it.

It checks everything before it stores anything: the scope of the caller, every field, the device, the rights
of the organisation on it, and whether the meter can do it at all (abilities.py).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Any

from django.db import transaction
from django.db.models.functions import Now
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from osgp import platform_time
from osgp.accounts.caller import Caller
from osgp.accounts.functions import Scope
from osgp.accounts.models import Organisation
from osgp.audit.keeping import record
from osgp.audit.models import AuditEvent
from osgp.devices.models import Device
from osgp.faults import Component, Fault, FaultCode
from osgp.messages import registry
from osgp.messages.operation import (
    CompositeOperation,
    MeterOperation,
    NewAction,
    Operation,
    ParameterValues,
    PlatformOperation,
    Sender,
)
from osgp.messages.priorities import DEFAULT_PRIORITY
from osgp.messages.receiver_urls import ReceiverUrlField
from osgp.messages.serializers import (
    BooleanField,
    CharField,
    DateTimeField,
    IntegerField,
    StrictSerializer,
    make_printable,
)
from osgp.processes import wakeup
from osgp.requests.abilities import check_ability, make_refusal
from osgp.requests.models import Action, Request
from osgp.requests.queries import GrantedDevice, find_granted_devices
from osgp.requests.states.transitions import choose_first_action_state, choose_first_state
from osgp.requests.waiting_limits import check_room


class NotGranted(ValidationError):
    """The input is valid, but the caller may not do some of it; the details say what, by field."""

    status_code = HTTPStatus.FORBIDDEN


class DeviceIdentificationField(CharField):
    """1 to 40 of A-Z, a-z and 0-9."""

    default_error_messages = {"identification": "Must be 1 to 40 of A-Z, a-z and 0-9."}

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"max_length": 40} | options)

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        if not (text.isascii() and text.isalnum()):
            self.fail("identification")
        return text


class SchedulingFields(StrictSerializer):
    """When and how urgently a request is carried out."""

    priority = IntegerField(
        min_value=0, max_value=9, default=DEFAULT_PRIORITY, help_text="Higher goes first."
    )
    schedule_time = DateTimeField(required=False, allow_null=True, help_text="Do not start before.")
    max_schedule_time = DateTimeField(
        required=False,
        allow_null=True,
        help_text="Do not start after; the request then fails with code 417, its original fault, or 806 if "
        "its meter lacks a key. May have passed.",
    )
    bypass_retry = BooleanField(default=False, help_text="One attempt only.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Check that ``max_schedule_time`` is after ``schedule_time``. It may have passed."""
        earliest, latest = attrs.get("schedule_time"), attrs.get("max_schedule_time")
        if latest is not None and earliest is not None and latest <= earliest:
            raise ValidationError({"max_schedule_time": ["Must be after schedule_time."]})
        return attrs


class ResponseUrlFields(serializers.Serializer):
    """Where a notification is sent when a request is final."""

    response_url = ReceiverUrlField(
        required=False,
        help_text="https URL that is notified when the request is final, beside the registered endpoints. "
        "Signed with the secret of the organisation for such URLs.",
    )


class CommonFields(ResponseUrlFields, SchedulingFields):
    """The fields that every message has beside its own parameters."""

    device_identification = DeviceIdentificationField()


COMMON_FIELDS = frozenset(CommonFields().fields)


def submit(caller: Caller, message: str, body: Mapping[str, Any]) -> Request:
    """Validate one message with its common fields, store it as a request, and return that.

    ``body`` is JSON as the caller sent it. Raises rest_framework ValidationError with every invalid field, or
    Fault: 201 for a device that the organisation may not see, 301 for a missing scope or grant, 206, 212, 401
    or 416 for a device that cannot do it; TooManyWaiting. Nothing is stored then.
    """
    operation = find_operation(message)
    check_scope(caller, operation.service)
    check_room(caller.organisation)
    if isinstance(operation, CompositeOperation):
        whole = operation.compose(caller, body)
        return create(
            caller,
            message,
            whole.device.identification,
            whole.device,
            scheduling=whole.scheduling,
            actions=whole.actions,
        )
    common, parameters = validate(operation, body)
    identification = common["device_identification"]
    if isinstance(operation, PlatformOperation):
        device = Device.objects.filter(identification=identification).first()
        operation.check(Sender(caller.organisation, caller.application), device, parameters)
    else:
        granted = find_granted_devices(caller.organisation, [identification]).get(identification)
        device = check_device(operation, identification, granted, parameters)
    return create(
        caller,
        message,
        identification,
        device,
        scheduling=common,
        actions=[NewAction(operation, parameters, device)],
    )


def find_operation(message: str) -> registry.RegisteredOperation:
    """Find the operation of a message name from a caller. Raises Fault 401 for an unknown one."""
    try:
        return registry.find_operation(message)
    except registry.UnknownMessage:
        raise Fault(
            FaultCode.VALIDATION_ERROR,
            f"There is no message {make_printable(message)}.",
            component=Component.WEB_SERVICE,
            pointer="/message",
        ) from None


def check_scope(caller: Caller, scope: str) -> None:
    """Raise Fault 301 unless the token of the caller has the scope."""
    if not caller.has_scope(scope):
        raise Fault(
            FaultCode.UNAUTHORIZED,
            f"The token does not have the scope {scope}.",
            component=Component.WEB_SERVICE,
        )


def validate(operation: Operation, body: Any) -> tuple[dict[str, Any], ParameterValues]:
    """Return the common fields and the parameters of a message.

    Raises ValidationError with the invalid fields of both.
    """
    if not isinstance(body, Mapping):
        raise ValidationError("Must be a JSON object.")
    errors: dict[str, Any] = {}
    common = CommonFields(data={name: value for name, value in body.items() if name in COMMON_FIELDS})
    if not common.is_valid():
        errors.update(common.errors)
    parameters: ParameterValues = {}
    try:
        parameters = operation.parse({name: body[name] for name in body if name not in COMMON_FIELDS})
    except ValidationError as error:
        errors.update(error.detail if isinstance(error.detail, dict) else {"": error.detail})
    if errors:
        raise ValidationError(errors)
    return common.validated_data, parameters


def check_device(
    operation: MeterOperation | CompositeOperation,
    identification: str,
    granted: GrantedDevice | None,
    parameters: ParameterValues,
) -> Device:
    """Return the device if the organisation may do this with it, and the device can.

    Raises Fault as :func:`submit` does.
    """
    device = check_grant(operation, identification, granted)
    check_ability(operation, device, parameters)
    return device


def check_grant(
    operation: MeterOperation | CompositeOperation, identification: str, granted: GrantedDevice | None
) -> Device:
    """Return the device if the organisation may do this with it. Raises Fault 201 or 301."""
    if granted is None:
        raise make_refusal(FaultCode.UNKNOWN_DEVICE, f"There is no device {identification}.")
    if not granted.allows(operation.granted_to):
        raise make_refusal(
            FaultCode.UNAUTHORIZED,
            f"Not granted on {identification}: {operation.derive_device_function()}.",
        )
    return granted.device


@transaction.atomic
def create(
    caller: Caller,
    message: str,
    device_identification: str,
    device: Device | None,
    *,
    scheduling: Mapping[str, Any],
    actions: Sequence[NewAction],
) -> Request:
    """Store a request with its actions, which are checked already, and wake the dispatchers.

    ``scheduling`` is the validated data of :class:`SchedulingFields`. The meter to dial is the device or its
    gateway; there is none if every action changes only the platform. Actions with a fault have their outcome
    at once. If all have one, so has the request.
    """
    now = platform_time.now()
    schedule_time: datetime | None = scheduling.get("schedule_time")
    is_due = schedule_time is None or schedule_time <= now
    is_over = all(action.fault is not None for action in actions)
    dials = any(isinstance(action.operation, MeterOperation) for action in actions)
    request = Request.objects.create(
        organisation=caller.organisation,
        application=caller.application,
        message=message,
        device_identification=device_identification,
        device=device,
        meter=(device.gateway or device) if device is not None and dials else None,
        priority=scheduling["priority"],
        effective_priority=scheduling["priority"],
        schedule_time=schedule_time,
        max_schedule_time=scheduling.get("max_schedule_time"),
        bypass_retry=scheduling["bypass_retry"],
        response_url=scheduling.get("response_url", ""),
        state=choose_first_state(is_due=is_due, is_over=is_over),
        # "Now" by the clock of the database: the clock of this process may be ahead of it.
        due_at=Now() if schedule_time is None or is_due else schedule_time,
        created_at=now,
        completed_at=Now() if is_over else None,
    )
    Action.objects.bulk_create(
        Action(
            request=request,
            position=position,
            message=action.operation.message,
            device=action.device,
            parameters=action.represent_parameters(),
            state=choose_first_action_state(is_able=action.fault is None),
            fault=action.fault.as_dict() if action.fault else None,
            finished_at=Now() if action.fault else None,
        )
        for position, action in enumerate(actions)
    )
    record(
        AuditEvent.REQUEST_SENT,
        organisation=caller.organisation.identification,
        actor=caller.application,
        device=device_identification,
        correlation_uid=request.correlation_uid,
        details=_tell(request, actions),
    )
    if is_due and not is_over:
        wakeup.notify()
    return request


def _tell(request: Request, actions: Sequence[NewAction]) -> dict[str, Any]:
    """What the audit trail says of a request: no parameters, which may be secrets."""
    told: dict[str, Any] = {"message": request.message}
    messages = [action.operation.message for action in actions]
    if messages != [request.message]:
        told["actions"] = messages
    if request.schedule_time is not None:
        told["schedule_time"] = request.schedule_time.isoformat()
    return told


def make_organisation_caller(organisation: Organisation, application: str) -> Caller:
    """Return a caller with every scope, for operators of the platform (command line, admin)."""
    return Caller(organisation, application, frozenset(str(scope) for scope in Scope))
