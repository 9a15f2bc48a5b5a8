"""What a value provider is asked: which meter, at which moment, for which channel, on whose behalf."""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from ..codec.requests import Selection
from ..codec.results import DataAccessResult

if TYPE_CHECKING:
    from .meter import Meter
    from .meter_type import ObjectEntry


class AssociationView(Protocol):
    """What the association object tells about the association through which it is read."""

    client_address: int
    server_address: int
    context: int
    mechanism: int
    conformance: int
    maximum_pdu_size: int
    client_system_title: bytes

    @property
    def is_public(self) -> bool:
        """Whether it is the public client's."""
        ...


class Query:
    """One value that is wanted. ``moment`` is true time (UNIX), past for the rows of a buffer.

    Rows know how far the clock was ahead (``offset``), and what their AMR profile status says (``flags``).
    """

    __slots__ = ("association", "channel", "entry", "flags", "meter", "moment", "offset", "selection")

    def __init__(
        self,
        meter: "Meter",
        moment: float,
        entry: "ObjectEntry | None" = None,
        association: AssociationView | None = None,
        selection: Selection | None = None,
        offset: float | None = None,
        flags: int | None = None,
    ) -> None:
        self.meter = meter
        self.moment = moment
        self.entry = entry
        self.channel = entry.channel if entry is not None else None
        self.association = association
        self.selection = selection
        self.offset = offset
        self.flags = flags

    def local_time(self, moment: float | None = None) -> datetime:
        """What the meter's clock showed at the moment, or at another one."""
        return self.meter.local_time(self.moment if moment is None else moment, self.offset)


Provider = Callable[[Query], bytes]
"""Makes encoded data."""


class AccessError(Exception):
    """A request for an attribute that is refused with ``result``."""

    def __init__(self, result: DataAccessResult) -> None:
        super().__init__(result.name)
        self.result = result
