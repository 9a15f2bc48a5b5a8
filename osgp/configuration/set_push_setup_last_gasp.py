"""SetPushSetupLastGasp: where a meter says that its power fails, and what it says."""

from typing import Annotated, NotRequired, TypedDict

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.configuration.push_setups import (
    DestinationChange,
    DestinationParameters,
    PushObjects,
    PushObjectsChange,
    change_push_setup,
    check_push_objects,
)
from osgp.cosem.push_setup import Transport
from osgp.messages.operation import MeterOperation, Service
from osgp.messages.registry import register
from osgp.messages.visited_meter import VisitedMeter

TAG = "PUSH_SETUP_UDP"


class SetPushSetupLastGaspParameters(DestinationParameters):
    """The destination, and maybe the objects. Without them they stay as they are."""

    push_objects: NotRequired[PushObjects]


class SetPushSetupLastGaspResult(TypedDict):
    """What the meter has, read from it."""

    destination: DestinationChange
    push_objects: Annotated[PushObjectsChange | None, "Null if they were not written."]


@register
class SetPushSetupLastGasp(MeterOperation[SetPushSetupLastGaspParameters, SetPushSetupLastGaspResult]):
    """Set where a meter sends its last gasp (over UDP), and which attributes it sends with it.

    Objects are checked before anything is written, as SetPushSetupAlarm does. The communication window stays
    as it is: SetPushSetupUdp clears it. What was written is read back.
    """

    message = "SetPushSetupLastGasp"
    service = Service.CONFIGURATION
    granted_to = frozenset({DeviceFunctionGroup.OWNER, DeviceFunctionGroup.CONFIGURATION})
    needs = (TAG,)

    def check_parameters(self, parameters: SetPushSetupLastGaspParameters) -> None:
        """Refuse objects that cannot be. Raises ValidationError."""
        check_push_objects(parameters)

    def perform(
        self, meter: VisitedMeter, parameters: SetPushSetupLastGaspParameters
    ) -> SetPushSetupLastGaspResult:
        destination, push_objects = change_push_setup(meter, TAG, Transport.UDP, parameters)
        assert destination is not None
        return {"destination": destination, "push_objects": push_objects}
