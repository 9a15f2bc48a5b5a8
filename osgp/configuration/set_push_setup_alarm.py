"""SetPushSetupAlarm: where a meter sends its alarms, and what it sends with them."""

from typing import Annotated, NotRequired, TypedDict

from rest_framework.exceptions import ValidationError

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.configuration.push_setups import (
    DestinationChange,
    OptionalDestinationParameters,
    PushObjects,
    PushObjectsChange,
    change_push_setup,
    check_destination,
    check_push_objects,
)
from osgp.cosem.push_setup import Transport
from osgp.messages.operation import MeterOperation, Service
from osgp.messages.registry import register
from osgp.messages.visited_meter import VisitedMeter

TAG = "PUSH_SETUP_ALARM"


class SetPushSetupAlarmParameters(OptionalDestinationParameters):
    """The destination, the objects, or both. What is left out stays as it is."""

    push_objects: NotRequired[PushObjects]


class SetPushSetupAlarmResult(TypedDict):
    """What the meter has, read from it."""

    destination: Annotated[DestinationChange | None, "Null if it was not written."]
    push_objects: Annotated[PushObjectsChange | None, "Null if they were not written."]


@register
class SetPushSetupAlarm(MeterOperation[SetPushSetupAlarmParameters, SetPushSetupAlarmResult]):
    """Set where a meter sends its alarms (over TCP), and which attributes it sends with them.

    Every attribute must be one that the meter lets be read, and have as many elements as data_index says: all
    of them are read first, those of a profile's buffer with all rows. If one fails, nothing is written, not
    even the destination. Secrets and repeated objects are refused. Transport and message type follow from the
    message and the meter's profile. What was written is read back.
    """

    message = "SetPushSetupAlarm"
    service = Service.CONFIGURATION
    granted_to = frozenset({DeviceFunctionGroup.OWNER, DeviceFunctionGroup.CONFIGURATION})
    needs = (TAG,)

    def check_parameters(self, parameters: SetPushSetupAlarmParameters) -> None:
        """Refuse nothing at all, half a destination, and objects that cannot be. Raises ValidationError."""
        if not parameters:
            raise ValidationError("Host and port, or push_objects, must be given.")
        check_destination(parameters)
        check_push_objects(parameters)

    def perform(
        self, meter: VisitedMeter, parameters: SetPushSetupAlarmParameters
    ) -> SetPushSetupAlarmResult:
        destination, push_objects = change_push_setup(meter, TAG, Transport.TCP, parameters)
        return {"destination": destination, "push_objects": push_objects}
