"""GetAdministrativeStatus: whether the administration of a meter is on."""

from typing import TypedDict

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.cosem import administrative_status
from osgp.cosem.administrative_status import AdministrativeStatus
from osgp.messages.operation import MeterOperation, Service
from osgp.messages.registry import register
from osgp.messages.shapes import NoParameters
from osgp.messages.visited_meter import VisitedMeter


class GetAdministrativeStatusResult(TypedDict):
    """The status of the meter."""

    enabled: AdministrativeStatus


@register
class GetAdministrativeStatus(MeterOperation[NoParameters, GetAdministrativeStatusResult]):
    """Read whether the administration of a meter is on, off, or was never defined."""

    message = "GetAdministrativeStatus"
    service = Service.CONFIGURATION
    granted_to = frozenset({DeviceFunctionGroup.OWNER, DeviceFunctionGroup.CONFIGURATION})
    needs = ("ADMINISTRATIVE_IN_OUT",)

    def perform(self, meter: VisitedMeter, parameters: NoParameters) -> GetAdministrativeStatusResult:
        return {"enabled": administrative_status.parse(meter.get("ADMINISTRATIVE_IN_OUT", "value"))}
