"""Class 70, disconnect control: which method does what in which control mode (Blue Book)."""

DISCONNECTED, CONNECTED, READY = 0, 1, 2
"""The control states; READY waits for the customer to reconnect by hand."""

MODES = range(7)
NO_CONTROL = 0
"""Always connected."""
FACTORY_MODE = 4
"""Remote disconnection, and remote reconnection without the customer's hand."""

_DIRECT = (2, 4)
"""The modes in which a remote reconnection connects at once."""


def disconnect_remotely(mode: int, state: int) -> int | None:
    """The state after a remote disconnection, None when the mode allows none."""
    return DISCONNECTED if mode else None


def reconnect_remotely(mode: int, state: int) -> int | None:
    """The state after a remote reconnection, None when the mode allows none."""
    if not mode:
        return None
    if state != DISCONNECTED:
        return state
    return CONNECTED if mode in _DIRECT else READY
