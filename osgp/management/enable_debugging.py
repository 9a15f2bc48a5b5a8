"""EnableDebugging: keep every message of a device's sessions for a while."""

from datetime import datetime, timedelta
from typing import Annotated, NotRequired, TypedDict

from django.conf import settings

from osgp import platform_time
from osgp.devices.models import Device
from osgp.faults import Fault, FaultCode
from osgp.management.known_devices import ManagedDeviceOperation
from osgp.messages.operation import Sender
from osgp.messages.registry import register

LONGEST = timedelta(days=31)


class EnableDebuggingParameters(TypedDict):
    """How long."""

    until: NotRequired[
        Annotated[
            datetime,
            f"When it ends by itself: {LONGEST.days} days from now at most, a day by default.",
        ]
    ]


class DebuggingResult(TypedDict):
    """Until when the device's messages are logged; null: they are not."""

    debugging_until: datetime | None


@register
class EnableDebugging(ManagedDeviceOperation[EnableDebuggingParameters, DebuggingResult]):
    """Log every message that is exchanged with a device, from its next visit on; FindMessageLogs reads them.

    An M-Bus device's log has what was done for it over its gateway's association. Keys, passwords and what
    proves them are blanked. Debugging ends by itself, or with DisableDebugging.
    """

    message = "EnableDebugging"

    def check_change(self, sender: Sender, device: Device, parameters: EnableDebuggingParameters) -> None:
        """Raises Fault 401 for an end in the past or too far away."""
        until, now = parameters.get("until"), platform_time.now()
        if until is not None and not now < until <= now + LONGEST:
            raise Fault(
                FaultCode.VALIDATION_ERROR,
                f"Debugging ends in the future, at most {LONGEST.days} days from now.",
                pointer="/until",
            )

    def change(
        self, sender: Sender, device: Device, parameters: EnableDebuggingParameters
    ) -> DebuggingResult:
        until = parameters.get("until") or platform_time.now() + settings.OSGP["DEBUGGING_TIME"]
        device.debugging_until = until
        device.save(update_fields=["debugging_until", "updated_at"])
        return {"debugging_until": until}
