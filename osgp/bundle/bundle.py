"""Bundle: many messages to one meter in one request."""

from collections.abc import Mapping
from typing import Annotated, Any, TypedDict

from rest_framework.exceptions import ValidationError

from osgp.accounts.caller import Caller
from osgp.accounts.functions import DeviceFunctionGroup
from osgp.bundle.actions import MOST_ACTIONS, ActionsField, Draft, Errors, collect_errors
from osgp.devices.models import Device
from osgp.faults import Fault, FaultCode
from osgp.messages.naming import BUNDLE
from osgp.messages.operation import CompositeOperation, Composition, NewAction, Service
from osgp.messages.registry import register
from osgp.requests.abilities import find_inability
from osgp.requests.queries import GrantedDevice, find_granted_devices
from osgp.requests.submission import (
    COMMON_FIELDS,
    CommonFields,
    NotGranted,
    check_device,
    check_grant,
    check_scope,
)

BAD_VALUES = frozenset(
    {
        FaultCode.VALIDATION_ERROR,
        FaultCode.INVALID_DLMS_KEY_FORMAT,
        FaultCode.DECRYPTION_EXCEPTION,
    }
)
"""What is wrong with a parameter, and not with the device."""


class BundleParameters(TypedDict):
    """Messages that share one association."""

    actions: Annotated[
        list[Draft],
        ActionsField(),
        f"1 to {MOST_ACTIONS} messages with their parameters, carried out in this order.",
    ]


@register
class Bundle(CompositeOperation[BundleParameters]):
    """Carry out many messages with one meter, in order, over one held association.

    Each action is a message with its parameters, and may name an M-Bus device of the meter that it is about.
    Each needs its own right and scope beside those of the bundle. If any action is invalid or not granted,
    nothing is stored, and the errors of each are returned. An action that its device cannot do is accepted
    and fails alone, at once and for good: with 416 if the meter's profile lacks what it needs, with 401 if it
    is not for this type of device or its M-Bus device has no gateway or channel, with 221 if that is on
    another meter.

    The outcome has one response per action, in the same order, with its own `status` and its `result` or
    `fault`. An action that fails does not keep the following ones from being carried out. The bundle itself
    has SUCCEEDED when every action got its own outcome, and FAILED with the fault that kept the meter from
    being reached; what was done before that has its result all the same.
    """

    message = BUNDLE
    service = Service.BUNDLE
    # Actions need their own rights as well, so organisations that may only read can read in bundles.
    granted_to = frozenset({DeviceFunctionGroup.OWNER, DeviceFunctionGroup.MONITORING})

    @classmethod
    def derive_path(cls) -> str:
        return str(cls.service)

    @classmethod
    def derive_device_function(cls) -> str:
        return "HANDLE_BUNDLED_ACTIONS"

    def check_parameters(self, parameters: BundleParameters) -> None:
        """Here a faulty action makes the parameters invalid."""
        if faulty := collect_errors(parameters["actions"]):
            raise ValidationError(_merge_errors({}, faulty))

    def compose(self, caller: Caller, body: Mapping[str, Any]) -> Composition:
        """A bundle that is valid and granted in all its parts, whether or not its devices can do them all.

        Raises ValidationError with all that is wrong, by position of the action; NotGranted when it is only
        rights that are missing for some actions; Fault when the device as such cannot be sent a bundle.
        """
        if not isinstance(body, Mapping):
            raise ValidationError("Must be a JSON object.")
        common = CommonFields(data={name: body[name] for name in body if name in COMMON_FIELDS})
        own = self.parameters_serializer(
            data={name: body[name] for name in body if name not in COMMON_FIELDS}
        )
        errors: Errors = {}
        for part in (common, own):
            if not part.is_valid():
                errors.update(part.errors)
        drafts: list[Draft] = own.validated_data["actions"] if own.is_valid() else []
        faulty = collect_errors(drafts)
        if "device_identification" in common.errors:
            raise ValidationError(_merge_errors(errors, faulty))
        identification = body["device_identification"]
        named = {draft.device_identification for draft in drafts if draft.device_identification}
        granted = find_granted_devices(caller.organisation, [identification, *(named - {identification})])
        try:
            meter = check_device(self, identification, granted.get(identification), {})
        except Fault:
            if errors or faulty:
                # Errors of the body go first, as for every message.
                raise ValidationError(_merge_errors(errors, faulty)) from None
            raise
        only_rights = not errors and not faulty
        actions: list[NewAction] = []
        for position, draft in enumerate(drafts):
            if position in faulty:
                continue
            try:
                actions.append(_make_action(caller, draft, meter, granted))
            except Fault as fault:
                only_rights = only_rights and fault.code == FaultCode.UNAUTHORIZED
                faulty[position] = {fault.pointer: [fault.message]}
        if errors or faulty:
            refusal = NotGranted if only_rights else ValidationError
            raise refusal(_merge_errors(errors, faulty))
        return Composition(meter, common.validated_data, actions)


def _merge_errors(errors: Errors, faulty: Mapping[int, Errors]) -> Errors:
    return {**errors, "actions": dict(sorted(faulty.items()))} if faulty else errors


def _make_action(
    caller: Caller, draft: Draft, meter: Device, granted: Mapping[str, GrantedDevice]
) -> NewAction:
    """The action with its device, and with its fault if that cannot do it.

    Raises Fault for what is wrong in itself; its pointer is the name of the faulty field.
    """
    operation = draft.operation
    assert operation is not None
    identification = draft.device_identification or meter.identification
    field = "message"
    try:
        check_scope(caller, operation.service)
        field = "device_identification" if draft.device_identification else field
        device = check_grant(operation, identification, granted.get(identification))
    except Fault as fault:
        raise Fault(fault.code, fault.message, pointer=field) from fault
    if not device.is_mbus and device.pk != meter.pk:
        raise Fault(
            FaultCode.VALIDATION_ERROR,
            f"{identification} is not on a channel of {meter.identification}.",
            pointer=field,
        )
    inability = find_inability(operation, device, draft.parameters, meter)
    if inability is not None and inability.code in BAD_VALUES:
        parameter = inability.pointer.removeprefix("/")
        if parameter in draft.parameters:
            # A bad value is a mistake of the caller, also if it takes the device to know: a time that has
            # passed, a period of which no meter like this one has all, or a key of a wrong length.
            raise Fault(inability.code, inability.message, pointer=parameter)
    return NewAction(operation, draft.parameters, device, inability)
