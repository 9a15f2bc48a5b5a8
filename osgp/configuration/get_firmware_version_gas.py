"""GetFirmwareVersionGas: which firmware an M-Bus meter runs."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, TypedDict

from osgp import platform_time
from osgp.accounts.functions import DeviceFunctionGroup
from osgp.cosem.firmware import parse_version_info
from osgp.devices.models import MBUS_DEVICE_TYPES, Device
from osgp.firmware.models import FirmwareModuleType
from osgp.firmware.versions import record_versions
from osgp.messages.operation import ConcludedOperation, Service
from osgp.messages.registry import register
from osgp.messages.shapes import NoParameters
from osgp.messages.visited_meter import VisitedMeter

if TYPE_CHECKING:
    from osgp.accounts.models import Organisation

TAG = "MBUS_DEVICE_CONFIG_SIMPLE_VERSION_INFO"


class GetFirmwareVersionGasResult(TypedDict):
    """What the gateway knows of its M-Bus meter."""

    firmware_module_type: FirmwareModuleType
    version: Annotated[str, "Octets in lower-case hexadecimal."]
    as_of: Annotated[datetime, "When the platform asked."]


@register
class GetFirmwareVersionGas(
    ConcludedOperation[NoParameters, GetFirmwareVersionGasResult, GetFirmwareVersionGasResult]
):
    """Read the firmware version of a gas (or hydrogen) meter from its gateway.

    The device is the M-Bus meter itself, with which the version is kept.
    """

    message = "GetFirmwareVersionGas"
    service = Service.CONFIGURATION
    granted_to = frozenset(
        {
            DeviceFunctionGroup.OWNER,
            DeviceFunctionGroup.CONFIGURATION,
            DeviceFunctionGroup.FIRMWARE,
            DeviceFunctionGroup.MONITORING,
        }
    )
    device_types = MBUS_DEVICE_TYPES
    needs = (TAG,)

    def perform(self, meter: VisitedMeter, parameters: NoParameters) -> GetFirmwareVersionGasResult:
        as_of = platform_time.now()
        return {
            "firmware_module_type": FirmwareModuleType.SIMPLE_VERSION_INFO,
            "version": parse_version_info(meter.get(TAG, "value")),
            "as_of": as_of,
        }

    def conclude(
        self,
        organisation: "Organisation",
        device: Device,
        parameters: NoParameters,
        answer: GetFirmwareVersionGasResult,
    ) -> GetFirmwareVersionGasResult:
        record_versions(device, {answer["firmware_module_type"]: answer["version"]}, answer["as_of"])
        return answer
