"""What a meter remembers once somebody has talked to it. Meters that nobody has talked to have none."""

from osgp.catalogue.cosem import AttributeDescriptor

from ..faults import ActiveFault
from ..quirks import Quirk
from ..settings import Behaviour
from ..statistics import MeterStatistics
from .control import CONNECTED
from .identity import KeyName
from .load_curve import Household
from .mbus_keys import MbusKeys
from .record import Record


class AcceptedCounters:
    """The invocation counters of a meter's management clients: the ``highest`` that it accepted (-1 before
    the first), and those that came to it although their nonce had been used before, by whichever meter."""

    __slots__ = ("highest", "repeated")

    def __init__(self) -> None:
        self.highest = -1
        self.repeated: list[int] = []


class Memory:
    """State of one meter for as long as the simulator runs."""

    __slots__ = (
        "associated",
        "behaviour",
        "buffer_answers",
        "connections",
        "control_state",
        "counters",
        "faults",
        "household",
        "keys",
        "mbus_keys",
        "overrides",
        "pushes",
        "quirks",
        "record",
        "rests_until",
        "server_counter",
        "statistics",
    )

    def __init__(self, first_counter: int = 0) -> None:
        self.statistics = MeterStatistics()
        self.counters = AcceptedCounters()
        self.server_counter = first_counter
        self.pushes = 0
        """How many the meter has made."""
        self.control_state = CONNECTED
        self.connections = 0
        self.rests_until = 0.0
        """On the monotonic clock of the server: until when a meter that needs a pause takes no connection."""
        self.associated: object | None = None
        self.household: Household | None = None
        self.behaviour: Behaviour | None = None
        self.faults: list[ActiveFault] | None = None
        self.overrides: dict[AttributeDescriptor, bytes] | None = None
        self.keys: dict[KeyName, bytes] | None = None
        self.mbus_keys: dict[str, MbusKeys] | None = None
        """By the identification of the device, once it was sent a key."""
        self.record: Record | None = None
        self.quirks: frozenset[Quirk] | None = None
        """Its own, instead of those of the fleet."""
        self.buffer_answers = 0
        """Requests for buffers that were answered with rows, or should have been."""

    @property
    def connected(self) -> bool:
        """Whether the customer has power."""
        return self.control_state == CONNECTED

    def take_server_counter(self) -> int:
        """The invocation counter for the meter's next ciphered APDU, whether it answers or pushes."""
        counter = self.server_counter
        self.server_counter += 1
        return counter
