"""The states of keys: everything that may become of one (docs/states.md is drawn from it)."""

from osgp.devices.models import KeyState
from osgp.state_tables import StateTable, Transition


class KeyTransitions(StateTable):
    """Of keys; osgp/devices/keystore.py makes them. EXPIRED and WITHDRAWN ones are deleted after a while."""

    row = "Device key"
    states = KeyState
    initial = {
        KeyState.NEW: "supplied, and stored before the meter may get it, or recovered after a restore",
    }

    ACTIVATE = Transition(
        (KeyState.NEW,), KeyState.ACTIVE, "whoever replaces or recovers keys", "the meter is known to use it"
    )
    EXPIRE = Transition(
        (KeyState.ACTIVE,),
        KeyState.EXPIRED,
        "whoever replaces or recovers keys",
        "another one took its place",
    )
    WITHDRAW = Transition(
        (KeyState.NEW,),
        KeyState.WITHDRAWN,
        "whoever replaces or recovers keys",
        "another one was stored before the meter was known to use it",
    )
