"""EnableDebugging: keep every message of a device's sessions for a while."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

from osgp.accounts.models import Organisation
from osgp.devices.models import Device
from osgp.faults import Fault, FaultCode
from osgp.management.known_devices import KnownDeviceOperation
from osgp.messages.operation import ParameterValues
from osgp.messages.registry import register
from osgp.messages.serializers import DateTimeField, StrictSerializer

LONGEST = timedelta(days=31)


class EnableDebuggingParameters(StrictSerializer):
    until = DateTimeField(
        required=False,
        help_text=f"When it ends by itself: {LONGEST.days} days from now at most, a day unless told.",
    )


class DebuggingResult(StrictSerializer):
    """Until when the device's messages are logged; null: they are not."""

    debugging_until = DateTimeField(allow_null=True)


@register
class EnableDebugging(KnownDeviceOperation):
    """Log every message that is exchanged with a device, from its next visit on; FindMessageLogs reads them.

    An M-Bus device's log has what was done for it over its gateway's association. Keys, passwords and what
    proves them are blanked. Debugging ends by itself, or with DisableDebugging.
    """

    message = "EnableDebugging"
    Parameters = EnableDebuggingParameters
    Result = DebuggingResult

    def check_change(self, device: Device, parameters: ParameterValues) -> None:
        """Raises Fault 401 for an end in the past or too far away."""
        until, now = parameters.get("until"), timezone.now()
        if until is not None and not now < until <= now + LONGEST:
            raise Fault(
                FaultCode.VALIDATION_ERROR,
                f"Debugging ends in the future, at most {LONGEST.days} days from now.",
                pointer="/until",
            )

    def change(
        self, organisation: Organisation, device: Device, parameters: ParameterValues
    ) -> Mapping[str, Any]:
        device.debugging_until = parameters.get("until") or timezone.now() + settings.OSGP["DEBUGGING_TIME"]
        device.save(update_fields=["debugging_until", "updated_at"])
        return {"debugging_until": device.debugging_until}
