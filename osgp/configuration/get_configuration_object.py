"""GetConfigurationObject: the flags of a meter, and its GPRS operation mode."""

from collections.abc import Mapping
from typing import Annotated, Any

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.configuration.configuration_object import TAG, MeterConfiguration, describe, list_device_changes
from osgp.cosem.configuration_object import Configuration, parse
from osgp.messages.operation import MeterOperation, Service
from osgp.messages.registry import register
from osgp.messages.shapes import HIDDEN, NoParameters
from osgp.messages.visited_meter import VisitedMeter


class GetConfigurationObjectResult(MeterConfiguration):
    """The configuration object of the meter."""

    configuration: Annotated[Configuration, HIDDEN]


@register
class GetConfigurationObject(MeterOperation[NoParameters, GetConfigurationObjectResult]):
    """Read the flags of a meter's configuration object and, up to SMR 4.3, its GPRS operation mode.

    Whether HLS 3, 4 and 5 are on at P3 is kept with the device, and shown by GetDevices as last known, as far
    as the profile has these flags. How the platform itself talks to the meter does not depend on them.
    """

    message = "GetConfigurationObject"
    service = Service.CONFIGURATION
    granted_to = frozenset({DeviceFunctionGroup.OWNER, DeviceFunctionGroup.CONFIGURATION})
    needs = (TAG,)

    def perform(self, meter: VisitedMeter, parameters: NoParameters) -> GetConfigurationObjectResult:
        configuration = parse(meter.get(TAG, "value"), meter.profile)
        return {**describe(configuration), "configuration": configuration}

    def list_device_changes(
        self, parameters: NoParameters, result: GetConfigurationObjectResult
    ) -> Mapping[str, Any]:
        return list_device_changes(result["configuration"], result["configuration"])
