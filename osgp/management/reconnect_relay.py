"""ReconnectRelay: give a customer power again, or let the customer do it."""

from osgp.devices.models import RelayStatus
from osgp.management.disconnect_control import find_state_after_reconnection, is_reconnected
from osgp.management.relay_switching import RelaySwitching
from osgp.messages.registry import register


@register
class ReconnectRelay(RelaySwitching):
    """Reconnect the output of a meter, and read back what it is then.

    The control mode of the meter says where that leads: to CONNECTED in modes 2 and 4, otherwise to
    READY_FOR_RECONNECTION, from where the customer reconnects on the spot. What the mode does not allow is
    refused with fault 407.

    It needs the function group RELAY or OWNER, and is sent once. To a relay that is as wanted already nothing
    is sent. If the answer of the meter is lost, the next attempt reads the state instead of reconnecting
    again; fault 414 then tells that the relay is not as wanted.
    """

    message = "ReconnectRelay"
    method = "remote_reconnect"
    noun = "reconnection"

    def is_wanted(self, mode: int | None, state: RelayStatus) -> bool | None:
        return is_reconnected(mode, state)

    def find_next_state(self, mode: int, state: RelayStatus) -> RelayStatus | None:
        return find_state_after_reconnection(mode, state)
