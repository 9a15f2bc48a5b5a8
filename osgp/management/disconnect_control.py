"""Class 70, disconnect control: what its attributes mean, and which remote switching its modes allow.

Blue Book, class 70: in mode 0 the output is always connected; in all others it can be disconnected remotely.
A remote reconnection connects at once in modes 2 and 4; in the others the customer does it, by hand or, in
modes 5 and 6, also otherwise on the spot. Nothing remote leads from "ready for reconnection" to "connected".
"""

from osgp.cosem.errors import make_illegal_response
from osgp.cosem.quantities import parse_whole_number
from osgp.devices.models import RelayStatus
from osgp.messages.partial_reads import AskedField
from osgp.messages.visited_meter import VisitedMeter
from osgp.protocol_dlms import Data

TAG = "DISCONNECT_CONTROL"

CONTROL_STATES = (RelayStatus.DISCONNECTED, RelayStatus.CONNECTED, RelayStatus.READY_FOR_RECONNECTION)
"""In the order of the enumeration."""
LARGEST_CONTROL_MODE = 6

_AFTER_RECONNECTION = {
    1: RelayStatus.READY_FOR_RECONNECTION,
    2: RelayStatus.CONNECTED,
    3: RelayStatus.READY_FOR_RECONNECTION,
    4: RelayStatus.CONNECTED,
    5: RelayStatus.READY_FOR_RECONNECTION,
    6: RelayStatus.READY_FOR_RECONNECTION,
}
"""By control mode: where a remote reconnection of a disconnected output leads."""


def find_state_after_disconnection(mode: int, state: RelayStatus) -> RelayStatus | None:
    """Return the state that a remote disconnection leads to; None if the mode does not allow it."""
    return None if mode == 0 else RelayStatus.DISCONNECTED


def find_state_after_reconnection(mode: int, state: RelayStatus) -> RelayStatus | None:
    """Return the state that a remote reconnection leads to; None if the mode does not allow it."""
    return _AFTER_RECONNECTION.get(mode) if state == RelayStatus.DISCONNECTED else None


def is_reconnected(mode: int | None, state: RelayStatus) -> bool | None:
    """Return whether a state is one that a remote reconnection may lead to, or beyond that.

    None if only the mode could tell, and is not known.
    """
    if state != RelayStatus.READY_FOR_RECONNECTION:
        return state == RelayStatus.CONNECTED
    return None if mode is None else _AFTER_RECONNECTION.get(mode) == state


def ask_for_switch(meter: VisitedMeter) -> list[AskedField]:
    """List the attributes as fields: output_state, control_state and control_mode, in this order."""
    understand = {
        "output_state": _parse_output_state,
        "control_state": _parse_control_state,
        "control_mode": _parse_control_mode,
    }
    return [
        AskedField(name, meter.find_attribute(TAG, name), function) for name, function in understand.items()
    ]


def find_status(output_state: bool) -> RelayStatus:
    """Return the status of a meter that tells only its output."""
    return RelayStatus.CONNECTED if output_state else RelayStatus.DISCONNECTED


def _parse_output_state(data: Data) -> bool:
    if not isinstance(data.value, bool):
        raise make_illegal_response("The output state is no boolean.")
    return data.value


def _parse_control_state(data: Data) -> RelayStatus:
    state = parse_whole_number(data, "the control state")
    if state is None or not 0 <= state < len(CONTROL_STATES):
        raise make_illegal_response(f"The control state {state} is none of the Blue Book.")
    return CONTROL_STATES[state]


def _parse_control_mode(data: Data) -> int:
    mode = parse_whole_number(data, "the control mode")
    if mode is None or not 0 <= mode <= LARGEST_CONTROL_MODE:
        raise make_illegal_response(f"The control mode {mode} is none of the Blue Book.")
    return mode
