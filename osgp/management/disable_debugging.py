"""DisableDebugging: keep a device's messages no longer."""

from osgp import platform_time
from osgp.devices.models import Device
from osgp.management.enable_debugging import DebuggingResult
from osgp.management.known_devices import ManagedDeviceOperation
from osgp.messages.operation import Sender
from osgp.messages.registry import register
from osgp.messages.shapes import NoParameters


@register
class DisableDebugging(ManagedDeviceOperation[NoParameters, DebuggingResult]):
    """Log a device's messages no longer, from its next visit on. What was logged stays for its retention."""

    message = "DisableDebugging"

    def change(self, sender: Sender, device: Device, parameters: NoParameters) -> DebuggingResult:
        if device.is_debugged:
            # When it ended stays known, for people who look for logs.
            device.debugging_until = platform_time.now()
            device.save(update_fields=["debugging_until", "updated_at"])
        return {"debugging_until": None}
