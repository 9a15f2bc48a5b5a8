"""Whether a device can do what a message asks of it, as far as the platform knows.

A single request for what its device cannot do is refused. In a bundle such an action is stored with its
fault, and the others are carried out.
"""

from osgp import catalogue
from osgp.devices.models import Device
from osgp.faults import Fault, FaultCode
from osgp.messages.operation import CompositeOperation, MeterOperation, ParameterValues

DEVICE_POINTER = "/device_identification"


def check_ability(
    operation: MeterOperation | CompositeOperation,
    device: Device,
    parameters: ParameterValues,
    meter: Device | None = None,
) -> None:
    """Raise Fault for what the device cannot do, with a pointer to the field of a single request.

    401: the message is not for its type, or it is an M-Bus device without gateway or channel, for which some
    messages have other codes. 221: it is not on a channel of ``meter``, if given. 212: there is no address to
    dial. 206: its profile is unknown. 416: its profile lacks objects. Besides what ``check_device`` of the
    operation raises.
    """
    if device.device_type not in operation.device_types:
        suitable = ", ".join(sorted(operation.device_types))
        raise make_refusal(
            FaultCode.VALIDATION_ERROR,
            f"{operation.message} is for {suitable}; {device.identification} is a {device.device_type}.",
        )
    _check_reachable(operation, device, meter)
    try:
        operation.check_profile(_find_profile(device), parameters)
        if isinstance(operation, MeterOperation):
            operation.check_device(device, parameters)
    except Fault as fault:
        fault.pointer = fault.pointer or DEVICE_POINTER
        raise


def find_inability(
    operation: MeterOperation, device: Device, parameters: ParameterValues, meter: Device
) -> Fault | None:
    """Return why a device cannot do this in a bundle to ``meter``; None if it can.

    No attempt would make that good: the fault is not retryable.
    """
    try:
        check_ability(operation, device, parameters, meter)
    except Fault as fault:
        fault.retryable = False
        return fault
    return None


def make_refusal(code: FaultCode, message: str) -> Fault:
    """Return the fault of a request that is refused because of its device."""
    return Fault(code, message, pointer=DEVICE_POINTER)


def _check_reachable(
    operation: MeterOperation | CompositeOperation, device: Device, meter: Device | None
) -> None:
    if device.is_mbus and (device.gateway is None or device.channel is None):
        raise make_refusal(
            operation.without_gateway if device.gateway is None else operation.without_channel,
            f"{device.identification} is not coupled to a channel of an electricity meter.",
        )
    dialled = device.gateway or device
    if meter is not None and dialled.pk != meter.pk:
        raise make_refusal(
            FaultCode.GATEWAY_DEVICE_INVALID_FOR_MBUS_DEVICE,
            f"{device.identification} is not on a channel of {meter.identification}.",
        )
    if not (dialled.network_address.strip() or dialled.announced_address):
        raise make_refusal(FaultCode.INVALID_IP_ADDRESS, f"{dialled.identification} has no network address.")


def _find_profile(device: Device) -> catalogue.Profile:
    try:
        return device.profile
    except catalogue.UnknownProfile as error:
        raise make_refusal(
            FaultCode.UNKNOWN_PROTOCOL_NAME_OR_VERSION_OR_VARIANT, f"{device.identification}: {error}."
        ) from error
