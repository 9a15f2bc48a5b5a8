"""The base of messages about a known device that contact no meter."""

from abc import abstractmethod
from typing import ClassVar, Generic

from django.db import transaction

from osgp.accounts import rights
from osgp.accounts.models import Organisation
from osgp.devices.models import Device, DeviceType
from osgp.faults import Fault, FaultCode
from osgp.messages.operation import P, PlatformOperation, R, Sender


class KnownDeviceOperation(PlatformOperation[P, R], Generic[P, R]):
    """A message about one device that the platform knows; refused with 201 or 301 as all others are."""

    device_types: ClassVar = frozenset(DeviceType)

    def check(self, sender: Sender, device: Device | None, parameters: P) -> None:
        """Raises Fault 201 for a device that the organisation may not see, 301 if it may not do this, and
        what :meth:`check_change` raises.
        """
        self.check_change(sender, self._check_granted(sender.organisation, device), parameters)

    @transaction.atomic
    def perform(self, sender: Sender, device_identification: str, parameters: P) -> tuple[Device, R]:
        """Checks all again, as it may be due long after it was accepted; raises the same faults."""
        rows = Device.objects.select_for_update(no_key=True).filter(identification=device_identification)
        device = self._check_granted(sender.organisation, rows.first())
        self.check_change(sender, device, parameters)
        return device, self.change(sender, device, parameters)

    def check_change(self, sender: Sender, device: Device, parameters: P) -> None:
        """Raise Fault if the change does not fit the device."""

    @abstractmethod
    def change(self, sender: Sender, device: Device, parameters: P) -> R:
        """Carry it out on the device, whose row is locked, for the sender; returns the result."""

    def _check_granted(self, organisation: Organisation, device: Device | None) -> Device:
        if device is None or not rights.list_visible_devices(organisation).filter(pk=device.pk).exists():
            raise _make_refusal(FaultCode.UNKNOWN_DEVICE, "There is no device of this identification.")
        if not rights.is_granted(organisation, device, self.granted_to):
            raise _make_refusal(
                FaultCode.UNAUTHORIZED,
                f"Not granted on {device.identification}: {self.derive_device_function()}.",
            )
        return device


def _make_refusal(code: FaultCode, message: str) -> Fault:
    return Fault(code, message, pointer="/device_identification")
