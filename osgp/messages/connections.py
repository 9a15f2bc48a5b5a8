"""Connections beyond the association of a visit, for messages that find out how a meter takes them.

They are few, and harmless: none repeats an authentication that the meter has refused, which locks meters.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from osgp.catalogue import Profile
from osgp.catalogue.communication import Security
from osgp.catalogue.cosem import AttributeDescriptor
from osgp.devices.meter_settings import MeterSettings
from osgp.faults import Fault
from osgp.protocol_dlms import AccessResult, Data, Deadlines, MeterAddress
from osgp.protocol_dlms.errors import DlmsError


class Tried(NamedTuple):
    """What came of a connection: the error that ended it, else what was read.

    ``seconds``: how long all of it took. ``answers`` are in the order of what was asked, and may be fewer
    than that if the connection was lost on the way.
    """

    fault: DlmsError | None
    seconds: float
    answers: Sequence[Data | AccessResult | DlmsError] = ()


class Connections(Protocol):
    """What a message may try. Each connection waits until ``not_before`` (monotonic clock), or for the pause
    of the meter after the one before.

    Raises only what ends the visit.
    """

    @property
    def address(self) -> MeterAddress:
        """Where the meter is dialled."""

    @property
    def deadlines(self) -> Deadlines:
        """Those of the visit."""

    def connect(self, *, deadline: float | None = None) -> Tried:
        """Connect, and hang up; ``deadline``: seconds that the connection may take."""

    def open_link(self, address: MeterAddress) -> Tried:
        """Open an HDLC data link with that address, and close it."""

    def call_publicly(
        self,
        attributes: Sequence[AttributeDescriptor] = (),
        *,
        not_before: float | None = None,
        address: MeterAddress | None = None,
    ) -> Tried:
        """Associate as the public client, without keys, and read."""

    def call_as(self, client_address: int) -> Tried:
        """Associate with the keys of the device from another client address, and release.

        Only after the meter has told that it does not know the client: never after a refused authentication.
        """


@dataclass(frozen=True)
class UnreachedMeter:
    """A meter to which no association could be opened. ``fault``: why, as the meter told or did not tell."""

    identification: str
    profile: Profile
    security: Security
    settings: MeterSettings
    connections: Connections
    fault: Fault
