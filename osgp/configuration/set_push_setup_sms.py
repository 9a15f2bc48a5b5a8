"""SetPushSetupSms: where a meter sends its answer to a wake-up by SMS."""

from typing import TypedDict

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.configuration.push_setups import (
    DestinationChange,
    DestinationParameters,
    change_push_setup,
)
from osgp.cosem.push_setup import Transport
from osgp.messages.operation import MeterOperation, Service
from osgp.messages.registry import register
from osgp.messages.visited_meter import VisitedMeter

TAG = "PUSH_SETUP_SMS"


class SetPushSetupSmsResult(TypedDict):
    """What the meter has, read from it."""

    destination: DestinationChange


@register
class SetPushSetupSms(MeterOperation[DestinationParameters, SetPushSetupSmsResult]):
    """Set where a meter announces itself after an SMS.

    The SMS only wakes the meter: its answer goes over TCP, so that is the transport which is written. What
    was written is read back.
    """

    message = "SetPushSetupSms"
    service = Service.CONFIGURATION
    granted_to = frozenset({DeviceFunctionGroup.OWNER, DeviceFunctionGroup.CONFIGURATION})
    needs = (TAG,)

    def perform(self, meter: VisitedMeter, parameters: DestinationParameters) -> SetPushSetupSmsResult:
        destination, _ = change_push_setup(meter, TAG, Transport.TCP, parameters)
        assert destination is not None
        return {"destination": destination}
