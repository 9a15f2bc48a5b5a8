"""The base of management messages about a known device that contact no meter."""

from typing import ClassVar, Generic

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.messages.known_devices import KnownDeviceOperation
from osgp.messages.operation import P, R, Service


class ManagedDeviceOperation(KnownDeviceOperation[P, R], Generic[P, R]):
    """A message for those who manage a device on the platform."""

    service = Service.MANAGEMENT
    granted_to: ClassVar = frozenset({DeviceFunctionGroup.OWNER, DeviceFunctionGroup.MANAGEMENT})
