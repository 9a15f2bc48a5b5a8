"""DisconnectRelay: take the power from a customer."""

from osgp.devices.models import RelayStatus
from osgp.management.disconnect_control import find_state_after_disconnection
from osgp.management.relay_switching import RelaySwitching
from osgp.messages.registry import register


@register
class DisconnectRelay(RelaySwitching):
    """Disconnect the output of a meter, and read back whether it is.

    It needs the function group RELAY or OWNER. It is sent once, and only if the control mode of the meter
    allows it (otherwise fault 407); to a relay that is disconnected already nothing is sent. If the answer of
    the meter is lost, the next attempt reads the state instead of disconnecting again; fault 414 then tells
    that the relay is not disconnected.
    """

    message = "DisconnectRelay"
    method = "remote_disconnect"
    noun = "disconnection"

    def is_wanted(self, mode: int | None, state: RelayStatus) -> bool:
        return state == RelayStatus.DISCONNECTED

    def find_next_state(self, mode: int, state: RelayStatus) -> RelayStatus | None:
        return find_state_after_disconnection(mode, state)
