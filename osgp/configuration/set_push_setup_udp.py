"""SetPushSetupUdp: let a meter push over UDP at any time, and say where to."""

from typing import Annotated, TypedDict

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.configuration.push_setups import (
    DestinationChange,
    OptionalDestinationParameters,
    check_destination,
    set_destination,
    tell_destination,
)
from osgp.cosem.push_setup import Transport, encode_windows, parse_windows
from osgp.messages.changes import Setting, change_by_name
from osgp.messages.operation import MeterOperation, Service
from osgp.messages.registry import register
from osgp.messages.visited_meter import VisitedMeter
from osgp.protocol_dlms import Data

TAG = "PUSH_SETUP_UDP"
WINDOW = "communication_window"

DateTimeDigits = Annotated[str, "A COSEM date-time, 24 hexadecimal digits; ff.. is not specified."]


class CommunicationWindow(TypedDict):
    """A time in which the meter pushes."""

    begin: DateTimeDigits
    end: DateTimeDigits


class CommunicationWindowChange(TypedDict):
    """The windows, read from the meter. Without any it pushes at any time."""

    before: Annotated[list[CommunicationWindow] | None, "Null if the meter did not say."]
    after: Annotated[list[CommunicationWindow] | None, "Null if the meter does not say."]


class SetPushSetupUdpResult(TypedDict):
    """What the meter has, read from it."""

    destination: Annotated[DestinationChange | None, "Null if it was not written."]
    communication_window: CommunicationWindowChange


@register
class SetPushSetupUdp(MeterOperation[OptionalDestinationParameters, SetPushSetupUdpResult]):
    """Clear the communication window of a meter's push over UDP, so that it pushes at any time.

    With host and port, which go together, it also sets where the meter pushes to; without them the
    destination stays as it is. This is the setup of the last gasp: SetPushSetupLastGasp sets its destination
    and objects, and leaves the window alone. What was written is read back.
    """

    message = "SetPushSetupUdp"
    service = Service.CONFIGURATION
    granted_to = frozenset({DeviceFunctionGroup.OWNER, DeviceFunctionGroup.CONFIGURATION})
    needs = (TAG,)

    def check_parameters(self, parameters: OptionalDestinationParameters) -> None:
        """Refuse half a destination. Raises ValidationError."""
        check_destination(parameters)

    def perform(
        self, meter: VisitedMeter, parameters: OptionalDestinationParameters
    ) -> SetPushSetupUdpResult:
        attribute = meter.find_attribute(TAG, WINDOW)
        settings = [
            *set_destination(meter, TAG, Transport.UDP, parameters),
            Setting(WINDOW, attribute, encode_windows([]), _describe_windows),
        ]
        changes = change_by_name(meter, settings)
        window = changes[WINDOW]
        return {
            "destination": tell_destination(changes),
            "communication_window": {"before": window.before, "after": window.after},
        }


def _describe_windows(data: Data) -> list[CommunicationWindow]:
    return [{"begin": begin.hex(), "end": end.hex()} for begin, end in parse_windows(data)]
