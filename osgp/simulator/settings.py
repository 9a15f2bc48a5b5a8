"""How the meters of a fleet are set up and behave, apart from what their profile says."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from zoneinfo import ZoneInfo

from .alarms import AlarmBox
from .destinations import parse_destination
from .nonces import Nonces
from .quirks import Quirk, check_quirks

CALM_SINCE_2024 = 1_704_067_200.0
"""2024-01-01T00:00Z."""

_LARGEST_COUNTER = 0xFFFFFFFF


_COUNTERS_PER_SECOND = 10
_COUNTING_SINCE = 1_609_459_200
"""2021-01-01T00:00Z, when all simulated meters were commissioned: with ten per second it lasts until 2034."""


def make_first_counter(now: float) -> int:
    """A first invocation counter above those of simulators that ran before ``now`` (UNIX time).

    Meters of one seed have the same keys in every run, and their pushes have to have counters that rise.
    """
    return int(max(now - _COUNTING_SINCE, 0) * _COUNTERS_PER_SECOND) % _LARGEST_COUNTER


class CounterAtKeyChange(StrEnum):
    """Which invocation counters a meter accepts when its encryption key has been replaced."""

    RESTART = "restart"
    """Any: they begin anew."""
    KEEP = "keep"
    """Only those above what it accepted under the old key."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How a meter answers.

    ``latency`` is the range, in seconds, from which the delay of each answer is drawn; ``loss`` the share
    (0..1) of requests that get no answer; ``maximum_connections`` how many TCP connections one meter holds
    at a time. ``counter_at_key_change`` is what becomes of the invocation counter with a new encryption key;
    ``told_counter`` (0..4294967295) what a meter tells that it expects after a counter that is too low,
    instead of the truth.
    """

    latency: tuple[float, float] = (0.0, 0.0)
    loss: float = 0.0
    maximum_connections: int = 4
    counter_at_key_change: CounterAtKeyChange = CounterAtKeyChange.RESTART
    told_counter: int | None = None

    def __post_init__(self) -> None:
        shortest, longest = self.latency
        if not 0 <= shortest <= longest:
            raise ValueError("latency is a range of seconds, from 0")
        if not 0 <= self.loss <= 1:
            raise ValueError("loss is a share from 0 to 1")
        if self.maximum_connections < 1:
            raise ValueError("a meter holds at least one connection")
        if self.counter_at_key_change not in tuple(CounterAtKeyChange):
            raise ValueError("counter_at_key_change is restart or keep")
        told = self.told_counter
        if told is not None and (type(told) is not int or not 0 <= told <= _LARGEST_COUNTER):
            raise ValueError(f"told_counter is a whole number from 0 to {_LARGEST_COUNTER}")


@dataclass(slots=True)
class FleetSettings:
    """What all meters of a fleet share.

    ``clock`` gives true time (UNIX seconds); ``maximum_pdu_size`` is the longest APDU that the meters take
    and send; ``idle_seconds`` is how long a connection may be silent. ``calm_from`` is when mishaps, such as
    outages, end (UNIX time, None: never): what tests read of the time since then is free of them.
    ``null_compressed`` is the share of meters (0..1) whose rows leave out a stamp that follows from the row
    before. With ``shared_keys`` all electricity meters have the same global keys. ``nonces`` are those that
    the meters have seen, and those of their own pushes.

    ``push_to`` (``host:port``) is where meters push to that nobody has told another place; with it, they push
    all alarms until a client sets their filters. ``push_ciphered`` says whether meters with ciphered
    associations cipher data-notifications too. In the whole fleet so many alarms occur at random in an hour
    (``alarms_per_hour``). ``first_counter`` is the invocation counter of the first APDU that a meter ciphers.
    ``alarms`` are on their way to whoever pushes them. ``quirks`` are how all meters differ from the books.
    """

    seed: int = 1
    zone_name: str = "Europe/Amsterdam"
    maximum_pdu_size: int = 1_024
    with_list_max: int = 32
    idle_seconds: float = 120.0
    behaviour: Behaviour = field(default_factory=Behaviour)
    clock: Callable[[], float] = time.time
    calm_from: float | None = CALM_SINCE_2024
    null_compressed: float = 0.0
    shared_keys: bool = False
    push_to: str | None = None
    push_ciphered: bool = False
    alarms_per_hour: float = 0.0
    first_counter: int = 0
    quirks: frozenset[Quirk] = frozenset()
    zone: ZoneInfo = field(init=False)
    nonces: Nonces = field(init=False, repr=False, default_factory=Nonces)
    alarms: AlarmBox = field(init=False, repr=False, default_factory=AlarmBox)

    def __post_init__(self) -> None:
        if self.push_to is not None:
            parse_destination(self.push_to)
        if self.alarms_per_hour < 0:
            raise ValueError("alarms_per_hour is a number from 0")
        if not 0 <= self.first_counter <= _LARGEST_COUNTER:
            raise ValueError(f"first_counter is a whole number from 0 to {_LARGEST_COUNTER}")
        check_quirks(self.quirks)
        self.zone = ZoneInfo(self.zone_name)
