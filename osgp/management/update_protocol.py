"""UpdateProtocol: which profile a device has, for instance after new firmware."""

from typing import Annotated, NotRequired, TypedDict

from osgp import catalogue
from osgp.devices.models import Device
from osgp.faults import Fault, FaultCode
from osgp.management.known_devices import ManagedDeviceOperation
from osgp.messages.operation import Sender
from osgp.messages.registry import register
from osgp.messages.serializers import CharField
from osgp.system_notes.keeping import resolve_changed


class UpdateProtocolParameters(TypedDict):
    """The protocol that the device has."""

    protocol_name: Annotated[str, CharField(max_length=10), "Of a meter profile, such as SMR."]
    protocol_version: Annotated[str, CharField(max_length=10)]
    protocol_variant: NotRequired[
        Annotated[str, CharField(max_length=10, allow_blank=True), "None when left out."]
    ]


class UpdateProtocolResult(TypedDict):
    """The protocol that the device has now."""

    protocol_name: Annotated[str, CharField(max_length=10)]
    protocol_version: Annotated[str, CharField(max_length=10)]
    protocol_variant: Annotated[str, CharField(max_length=10, allow_blank=True)]


@register
class UpdateProtocol(ManagedDeviceOperation[UpdateProtocolParameters, UpdateProtocolResult]):
    """Change the protocol of a device on the platform, and with it its COSEM objects.

    An unknown protocol or version is refused with 206 and changes nothing. M-Bus devices of a gateway keep
    theirs, but are read by that of the gateway, whose objects they are. A system note that the meter fits
    another profile is resolved.
    """

    message = "UpdateProtocol"

    def check_change(self, sender: Sender, device: Device, parameters: UpdateProtocolParameters) -> None:
        """Raises Fault 206 for a profile that is not in the catalogue."""
        _find_profile(parameters)

    def change(
        self, sender: Sender, device: Device, parameters: UpdateProtocolParameters
    ) -> UpdateProtocolResult:
        profile = _find_profile(parameters)
        columns: UpdateProtocolResult = {
            "protocol_name": profile.protocol_name,
            "protocol_version": profile.protocol_version,
            "protocol_variant": parameters.get("protocol_variant", ""),
        }
        changed = [name for name, value in columns.items() if getattr(device, name) != value]
        for name, value in columns.items():
            setattr(device, name, value)
        device.save(update_fields=[*columns, "updated_at"])
        resolve_changed(device, changed, by=self.message)
        return columns


def _find_profile(parameters: UpdateProtocolParameters) -> catalogue.Profile:
    try:
        return catalogue.find_profile(parameters["protocol_name"], parameters["protocol_version"])
    except catalogue.UnknownProfile as error:
        known = ", ".join(profile.key for profile in catalogue.list_profiles())
        raise Fault(
            FaultCode.UNKNOWN_PROTOCOL_NAME_OR_VERSION_OR_VARIANT,
            f"There is no such meter profile; known are {known}.",
            pointer="/protocol_version",
        ) from error
