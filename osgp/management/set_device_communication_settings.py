"""SetDeviceCommunicationSettings: how the platform talks to a device."""

from collections.abc import Mapping
from typing import Any

from rest_framework.exceptions import ValidationError

from osgp.accounts.models import Organisation
from osgp.devices.models import Device, DeviceType, Transport
from osgp.faults import Fault, FaultCode
from osgp.management.known_devices import KnownDeviceOperation
from osgp.messages.operation import ParameterValues
from osgp.messages.registry import register
from osgp.messages.serializers import BooleanField, ChoiceField, IntegerField, StrictSerializer
from osgp.protocol_dlms.settings import CHALLENGE_LENGTHS

LARGEST_HDLC_ADDRESS = 16383


class CommunicationSettings(StrictSerializer):
    """The fields have the names and ranges that AddDevice gives them."""

    challenge_length = IntegerField(required=False, help_text="Bytes, 8 to 64.")
    with_list_max = IntegerField(
        min_value=1,
        max_value=255,
        required=False,
        help_text="Attributes in one GET or SET with list; 1: no lists.",
    )
    selective_access = BooleanField(required=False, help_text="Range access may select columns.")
    transport = ChoiceField(Transport, required=False)
    polyphase = BooleanField(required=False)


class SetDeviceCommunicationSettingsParameters(CommunicationSettings):
    """At least one of them; what is left out stays as it is."""

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Whether anything is to change at all."""
        if not attrs:
            raise ValidationError(f"At least one of {', '.join(self.fields)} must be given.")
        return attrs


@register
class SetDeviceCommunicationSettings(KnownDeviceOperation):
    """Change how the platform talks to a device; the next visit does so. What is left out stays as it is.

    The result has all settings as they are now. An M-Bus device is read over the association of its gateway
    and has no settings of its own: they are refused.
    """

    message = "SetDeviceCommunicationSettings"
    device_types = frozenset({DeviceType.SMART_METER_E})
    Parameters = SetDeviceCommunicationSettingsParameters
    Result = CommunicationSettings

    def check_change(self, device: Device, parameters: ParameterValues) -> None:
        """Raises Fault 213 for a challenge length that is not 8 to 64, 401 for an M-Bus device and for a
        transport that the meter's address does not fit.
        """
        if device.is_mbus:
            raise Fault(
                FaultCode.VALIDATION_ERROR,
                f"{device.identification} is read the way its gateway is: set it there.",
                pointer="/device_identification",
            )
        if parameters.get("challenge_length", CHALLENGE_LENGTHS.start) not in CHALLENGE_LENGTHS:
            raise Fault(
                FaultCode.CHALLENGE_LENGTH_OUT_OF_RANGE,
                f"The challenge length must be {CHALLENGE_LENGTHS.start} to {CHALLENGE_LENGTHS.stop - 1}.",
                pointer="/challenge_length",
            )
        too_high = device.logical_device_address > LARGEST_HDLC_ADDRESS
        if parameters.get("transport") == Transport.HDLC and too_high:
            raise Fault(
                FaultCode.VALIDATION_ERROR,
                f"With HDLC a logical device address is at most {LARGEST_HDLC_ADDRESS}; that of "
                f"{device.identification} is {device.logical_device_address}.",
                pointer="/transport",
            )

    def change(
        self, organisation: Organisation, device: Device, parameters: ParameterValues
    ) -> Mapping[str, Any]:
        for name, value in parameters.items():
            setattr(device, name, value)
        device.save(update_fields=[*parameters, "updated_at"])
        return {str(name): getattr(device, str(name)) for name in CommunicationSettings().fields}
