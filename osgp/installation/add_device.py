"""AddDevice: makes a meter known to the platform, with its keys. No meter is contacted."""

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, TypedDict

from django.db import IntegrityError, transaction

from osgp.accounts import rights
from osgp.accounts.functions import DeviceFunctionGroup
from osgp.accounts.models import DeviceAuthorisation, Organisation
from osgp.devices.models import MBUS_DEVICE_TYPES, Device, DeviceType
from osgp.faults import Fault, FaultCode
from osgp.installation.device_parameters import AddDeviceParameters, check_combination, make_columns
from osgp.installation.supplied_keys import check_keys, decrypt_keys, store_keys
from osgp.messages.operation import PlatformOperation, Sender, Service
from osgp.messages.registry import register
from osgp.messages.serializers import CharField, StrictSerializer
from osgp.messages.setting_fields import add_setting_fields
from osgp.messages.shapes import make_serializer
from osgp.networks.models import CommunicationNetwork
from osgp.system_notes.keeping import resolve_changed


class AddDeviceResult(TypedDict):
    """Whether the device is a new one or replaces one of that identification."""

    device_identification: Annotated[str, CharField(max_length=40)]
    created: bool


@register
class AddDevice(PlatformOperation[AddDeviceParameters, AddDeviceResult]):
    """Register a meter. The calling organisation becomes its owner, its keys are in use at once.

    With ``overwrite`` an existing device of the organisation is replaced: what the request leaves out gets
    its default, while lifecycle status, grants and history stay.
    """

    message = "AddDevice"
    service = Service.INSTALLATION
    device_types = frozenset(DeviceType)

    @cached_property
    def parameters_serializer(self) -> type[StrictSerializer]:
        """The serializer of the parameters, with all settings of meters."""
        return add_setting_fields(make_serializer(AddDeviceParameters))

    def check_parameters(self, parameters: AddDeviceParameters) -> None:
        """Raises what :func:`check_combination` raises."""
        check_combination(parameters)

    def check(self, sender: Sender, device: Device | None, parameters: AddDeviceParameters) -> None:
        """``device`` is the existing one of that identification, whoever owns it.

        Raises Fault 204 for a device that exists when not overwriting, 301 when it belongs to others, 201,
        209, 221 or 301 for the gateway, and what :func:`make_columns` and :func:`check_keys` raise.
        """
        if device is not None:
            _check_replaceable(sender.organisation, device, parameters)
        make_columns(parameters)
        _check_channel(_find_gateway(sender.organisation, parameters), device, parameters)
        check_keys(parameters)

    @transaction.atomic
    def perform(
        self, sender: Sender, device_identification: str, parameters: AddDeviceParameters
    ) -> tuple[Device, AddDeviceResult]:
        """Checks all again, as it may be due long after it was accepted; raises the same faults.

        The keys may be decrypted here for the first time (:func:`check_keys`).
        """
        organisation = sender.organisation
        columns = make_columns(parameters)
        secrets = decrypt_keys(parameters)
        # Gateway before device, always: the order in which rows are locked.
        columns["gateway"] = _find_gateway(organisation, parameters, lock=True)
        device, created = _lock_device(device_identification), False
        if device is None:
            network = CommunicationNetwork.find_by_method(columns.get("communication_method", ""))
            device, created = _create(device_identification, {**columns, "network": network})
        if not created:
            _replace(organisation, device, columns, parameters)
        DeviceAuthorisation.objects.get_or_create(
            organisation=organisation, device=device, function_group=DeviceFunctionGroup.OWNER
        )
        store_keys(device, secrets)
        return device, {"device_identification": device_identification, "created": created}


def _lock_device(device_identification: str) -> Device | None:
    return Device.objects.select_for_update(no_key=True).filter(identification=device_identification).first()


def _create(device_identification: str, columns: Mapping[str, Any]) -> tuple[Device, bool]:
    """A new device and true, or false with the one that somebody else made in the meantime, locked."""
    try:
        with transaction.atomic():
            return Device.objects.create(identification=device_identification, **columns), True
    except IntegrityError as error:
        device = _lock_device(device_identification)
        if device is not None:
            return device, False
        if columns["gateway"] is None:
            raise
        raise _make_occupied_fault(columns["gateway"], columns["channel"]) from error


def _replace(
    organisation: Organisation, device: Device, columns: Mapping[str, Any], parameters: AddDeviceParameters
) -> None:
    _check_replaceable(organisation, device, parameters)
    _check_channel(columns["gateway"], device, parameters)
    changed = [name for name, value in columns.items() if getattr(device, name) != value]
    for name, value in columns.items():
        setattr(device, name, value)
    try:
        with transaction.atomic():
            device.save(update_fields=[*columns, "updated_at"])
            resolve_changed(device, changed, by=AddDevice.message)
    except IntegrityError as error:
        raise _make_occupied_fault(columns["gateway"], columns["channel"]) from error


def _check_replaceable(organisation: Organisation, device: Device, parameters: AddDeviceParameters) -> None:
    if not parameters["overwrite"]:
        raise Fault(
            FaultCode.EXISTING_DEVICE,
            f"Device {device.identification} exists already.",
            pointer="/device_identification",
        )
    if not rights.is_owner(organisation, device):
        raise Fault(
            FaultCode.UNAUTHORIZED,
            f"Device {device.identification} exists and may be overwritten by an owner only.",
            pointer="/device_identification",
        )
    if parameters["device_type"] in MBUS_DEVICE_TYPES and device.mbus_devices.exists():
        raise Fault(
            FaultCode.VALIDATION_ERROR,
            f"{device.identification} is the gateway of M-Bus devices and must stay an electricity meter.",
            pointer="/device_type",
        )


def _find_gateway(
    organisation: Organisation, parameters: AddDeviceParameters, *, lock: bool = False
) -> Device | None:
    """The E-meter that an M-Bus device is coupled to, if any. Raises Fault 201, 221 or 301."""
    if "gateway" not in parameters:
        return None
    identification = parameters["gateway"]
    visible = rights.list_visible_devices(organisation).filter(identification=identification)
    gateway = (visible.select_for_update(no_key=True) if lock else visible).first()
    if gateway is None:
        raise Fault(FaultCode.UNKNOWN_DEVICE, f"There is no device {identification}.", pointer="/gateway")
    if not rights.is_owner(organisation, gateway):
        raise Fault(
            FaultCode.UNAUTHORIZED, f"Only an owner of {identification} may couple to it.", pointer="/gateway"
        )
    if gateway.is_mbus:
        raise Fault(
            FaultCode.GATEWAY_DEVICE_INVALID_FOR_MBUS_DEVICE,
            f"{identification} is not an electricity meter.",
            pointer="/gateway",
        )
    return gateway


def _check_channel(gateway: Device | None, device: Device | None, parameters: AddDeviceParameters) -> None:
    if gateway is None:
        return
    if device is not None and gateway.pk == device.pk:
        raise Fault(
            FaultCode.GATEWAY_DEVICE_INVALID_FOR_MBUS_DEVICE,
            "A device cannot be its own gateway.",
            pointer="/gateway",
        )
    coupled = Device.objects.filter(gateway=gateway, channel=parameters["channel"])
    if (coupled.exclude(pk=device.pk) if device is not None else coupled).exists():
        raise _make_occupied_fault(gateway, parameters["channel"])


def _make_occupied_fault(gateway: Device, channel: int) -> Fault:
    return Fault(
        FaultCode.CHANNEL_ON_DEVICE_ALREADY_COUPLED,
        f"Another device is coupled to channel {channel} of {gateway.identification}.",
        pointer="/channel",
    )
