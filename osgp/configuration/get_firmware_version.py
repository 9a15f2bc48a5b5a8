"""GetFirmwareVersion: which firmware the parts of an electricity meter run."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, TypedDict

from osgp import platform_time
from osgp.accounts.functions import DeviceFunctionGroup
from osgp.cosem.firmware import parse_identifier
from osgp.devices.models import Device
from osgp.firmware.models import FirmwareModuleType
from osgp.firmware.versions import record_versions
from osgp.messages.needs import any_of
from osgp.messages.operation import ConcludedOperation, Service
from osgp.messages.partial_reads import AskedField, list_unavailable_fields, read_fields, require_any
from osgp.messages.registry import register
from osgp.messages.shapes import NoParameters
from osgp.messages.unavailable import UnavailableList
from osgp.messages.visited_meter import VisitedMeter

if TYPE_CHECKING:
    from osgp.accounts.models import Organisation

TAGS = {
    FirmwareModuleType.ACTIVE_FIRMWARE: "ACTIVE_FIRMWARE_IDENTIFIER",
    FirmwareModuleType.MODULE_ACTIVE_FIRMWARE: "MODULE_ACTIVE_FIRMWARE_IDENTIFIER",
    FirmwareModuleType.COMMUNICATION_MODULE_ACTIVE_FIRMWARE: (
        "COMMUNICATION_MODULE_ACTIVE_FIRMWARE_IDENTIFIER"
    ),
    FirmwareModuleType.M_BUS_DRIVER_ACTIVE_FIRMWARE: "MBUS_DRIVER_ACTIVE_FIRMWARE_IDENTIFIER",
}


class ModuleVersion(TypedDict):
    """The firmware of one module."""

    firmware_module_type: FirmwareModuleType
    version: Annotated[str, "As the meter told it, without control characters. May be empty."]


class GetFirmwareVersionResult(TypedDict):
    """What the meter told; modules that it does not tell are unavailable."""

    firmware_versions: list[ModuleVersion]
    as_of: Annotated[datetime, "When the platform asked."]
    unavailable: UnavailableList


@register
class GetFirmwareVersion(
    ConcludedOperation[NoParameters, GetFirmwareVersionResult, GetFirmwareVersionResult]
):
    """Read the versions of the firmware that runs in an electricity meter and its modules.

    They are kept with the device, with all former versions. A module that the meter refuses to tell is
    unavailable in the result; the request fails only if it tells none.
    """

    message = "GetFirmwareVersion"
    service = Service.CONFIGURATION
    granted_to = frozenset(
        {
            DeviceFunctionGroup.OWNER,
            DeviceFunctionGroup.CONFIGURATION,
            DeviceFunctionGroup.FIRMWARE,
            DeviceFunctionGroup.MONITORING,
        }
    )
    needs = (any_of(*TAGS.values()),)

    def perform(self, meter: VisitedMeter, parameters: NoParameters) -> GetFirmwareVersionResult:
        as_of = platform_time.now()
        fields = read_fields(
            meter,
            [
                AskedField(module, meter.find_attribute(tag, "value"), parse_identifier)
                for module, tag in TAGS.items()
                if tag in meter.profile
            ],
        )
        require_any(fields)
        return {
            "firmware_versions": [
                {"firmware_module_type": FirmwareModuleType(field.name), "version": field.value}
                for field in fields
                if not field.fault
            ],
            "as_of": as_of,
            "unavailable": list_unavailable_fields(fields),
        }

    def conclude(
        self,
        organisation: "Organisation",
        device: Device,
        parameters: NoParameters,
        answer: GetFirmwareVersionResult,
    ) -> GetFirmwareVersionResult:
        told = {item["firmware_module_type"]: item["version"] for item in answer["firmware_versions"]}
        record_versions(device, told, answer["as_of"])
        return answer
