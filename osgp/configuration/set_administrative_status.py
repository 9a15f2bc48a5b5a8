"""SetAdministrativeStatus: turn the administration of a meter on or off."""

from typing import Annotated, TypedDict

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.cosem import administrative_status
from osgp.cosem.administrative_status import AdministrativeStatus
from osgp.messages.changes import Setting, change
from osgp.messages.operation import MeterOperation, Service
from osgp.messages.registry import register
from osgp.messages.serializers import ChoiceField
from osgp.messages.visited_meter import VisitedMeter

TAG = "ADMINISTRATIVE_IN_OUT"
CHOICES = (AdministrativeStatus.ON.value, AdministrativeStatus.OFF.value)


class SetAdministrativeStatusParameters(TypedDict):
    """The new status."""

    enabled: Annotated[str, ChoiceField(CHOICES)]


class SetAdministrativeStatusResult(TypedDict):
    """The status of the meter, read from it."""

    before: Annotated[AdministrativeStatus | None, "Null if the meter did not say."]
    after: Annotated[AdministrativeStatus | None, "Null if the meter does not say."]


@register
class SetAdministrativeStatus(
    MeterOperation[SetAdministrativeStatusParameters, SetAdministrativeStatusResult]
):
    """Turn the administration of a meter on or off. The status is read back."""

    message = "SetAdministrativeStatus"
    service = Service.CONFIGURATION
    granted_to = frozenset({DeviceFunctionGroup.OWNER, DeviceFunctionGroup.CONFIGURATION})
    needs = (TAG,)

    def perform(
        self, meter: VisitedMeter, parameters: SetAdministrativeStatusParameters
    ) -> SetAdministrativeStatusResult:
        value = administrative_status.encode(AdministrativeStatus(parameters["enabled"]))
        attribute = meter.find_attribute(TAG, "value")
        [changed] = change(meter, [Setting("enabled", attribute, value, administrative_status.parse)])
        return {"before": changed.before, "after": changed.after}
