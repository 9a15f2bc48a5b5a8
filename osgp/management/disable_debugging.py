"""DisableDebugging: keep a device's messages no longer."""

from collections.abc import Mapping
from typing import Any

from django.utils import timezone

from osgp.accounts.models import Organisation
from osgp.devices.models import Device
from osgp.management.enable_debugging import DebuggingResult
from osgp.management.known_devices import KnownDeviceOperation
from osgp.messages.operation import ParameterValues
from osgp.messages.registry import register


@register
class DisableDebugging(KnownDeviceOperation):
    """Log a device's messages no longer, from its next visit on. What was logged stays for its retention."""

    message = "DisableDebugging"
    Result = DebuggingResult

    def change(
        self, organisation: Organisation, device: Device, parameters: ParameterValues
    ) -> Mapping[str, Any]:
        if device.is_debugged:
            # When it ended stays known, for people who look for logs.
            device.debugging_until = timezone.now()
            device.save(update_fields=["debugging_until", "updated_at"])
        return {"debugging_until": None}
