"""SetDeviceCommunicationSettings: how the platform talks to a device."""

from typing import Annotated, NotRequired, TypedDict

from rest_framework.exceptions import ValidationError

from osgp.catalogue.communication import Framing
from osgp.devices.meter_settings import check_together
from osgp.devices.models import Device, DeviceType
from osgp.devices.setting_changes import find_layers
from osgp.faults import Fault, FaultCode
from osgp.management.known_devices import ManagedDeviceOperation
from osgp.messages.operation import Sender
from osgp.messages.registry import register
from osgp.messages.serializers import IntegerField
from osgp.protocol_dlms.settings import CHALLENGE_LENGTHS

LARGEST_HDLC_ADDRESS = 16382
"""16383 is all stations (Green Book 8.4.2.3)."""


class CommunicationSettings(TypedDict):
    """The fields have the names and ranges that AddDevice gives them."""

    challenge_length: NotRequired[Annotated[int, "Bytes, 8 to 64."]]
    with_list_max: NotRequired[
        Annotated[
            int,
            IntegerField(min_value=1, max_value=255),
            "Attributes in one GET or SET with list; 1: no lists.",
        ]
    ]
    selective_access: NotRequired[Annotated[bool, "Range access may select columns."]]
    transport: NotRequired[Framing]
    polyphase: NotRequired[bool]


class SetDeviceCommunicationSettingsParameters(CommunicationSettings):
    """At least one of them; what is left out stays as it is."""


@register
class SetDeviceCommunicationSettings(
    ManagedDeviceOperation[SetDeviceCommunicationSettingsParameters, CommunicationSettings]
):
    """Change how the platform talks to a device, from the next visit on. What is left out stays as it is.

    The result has all settings as they are now. An M-Bus device is read over the association of its gateway
    and has no settings of its own: they are refused.
    """

    message = "SetDeviceCommunicationSettings"
    device_types = frozenset({DeviceType.SMART_METER_E})

    def check_parameters(self, parameters: SetDeviceCommunicationSettingsParameters) -> None:
        """Refuse to change nothing at all. Raises ValidationError."""
        if not parameters:
            names = ", ".join(self.parameters_serializer().fields)
            raise ValidationError(f"At least one of {names} must be given.")

    def check_change(
        self, sender: Sender, device: Device, parameters: SetDeviceCommunicationSettingsParameters
    ) -> None:
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
        if parameters.get("transport") == Framing.HDLC and too_high:
            raise Fault(
                FaultCode.VALIDATION_ERROR,
                f"With HDLC a logical device address is at most {LARGEST_HDLC_ADDRESS}; that of "
                f"{device.identification} is {device.logical_device_address}.",
                pointer="/transport",
            )
        if parameters.get("transport") == Framing.HDLC:
            settings = find_layers(device).resolve()
            for name, text in check_together(settings, Framing.HDLC, device.logical_device_address).items():
                raise Fault(
                    FaultCode.VALIDATION_ERROR,
                    f"{device.identification} cannot have HDLC, because of its {name}: {text}",
                    pointer="/transport",
                )

    def change(
        self,
        sender: Sender,
        device: Device,
        parameters: SetDeviceCommunicationSettingsParameters,
    ) -> CommunicationSettings:
        columns = {"framing" if name == "transport" else name: value for name, value in parameters.items()}
        for name, value in columns.items():
            setattr(device, name, value)
        device.save(update_fields=[*columns, "updated_at"])
        return {
            "challenge_length": device.challenge_length,
            "with_list_max": find_layers(device).resolve().with_list_max,
            "selective_access": device.selective_access,
            "transport": Framing(device.framing),
            "polyphase": device.polyphase,
        }
