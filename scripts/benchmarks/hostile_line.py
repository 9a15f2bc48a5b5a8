"""One connection of a head-end to a hostile meter, and what kinds of hostile meters have in common.

A hostile meter is a simulated one (keys, ciphering and services are the simulator's) that does one thing to
waste the time, memory or places of whoever visits it.
"""

import asyncio
import re
from dataclasses import dataclass
from typing import ClassVar

from osgp.catalogue.communication import Framing
from osgp.simulator.association import Association
from osgp.simulator.codec.errors import LocalProtocolError, RemoteProtocolError
from osgp.simulator.codec.requests import AttributeReference, Request
from osgp.simulator.codec.results import DataAccessResult
from osgp.simulator.codec.wrapper import WrapperDecoder, WrapperFrame, encode_frame
from osgp.simulator.faults import FaultKind
from osgp.simulator.fleet import Fleet
from osgp.simulator.meter.meter import Meter
from osgp.simulator.services import ServiceHandler
from osgp.simulator.session import Session

GETS = (b"\xc0", b"\xc8")
"""Tags of a get-request, in plain and ciphered."""
LONGEST_VALUE = 4 * 1024 * 1024 - 16
"""Octets of a value at most, for a reply of 4 MiB."""
_READ_SIZE = 65_536


class Silence(Exception):
    """There is no answer."""


@dataclass(frozen=True)
class Measure:
    """Seconds between two octets of what drips, and before each block of what is slow; octets of values."""

    seconds_per_octet: float = 1.0
    seconds_per_block: float = 20.0
    value_octets: int = LONGEST_VALUE


class Kind:
    """One way to be hostile, in the docstring of each subclass. This one does as other meters do."""

    framing: ClassVar[Framing] = Framing.WRAPPER
    faults: ClassVar[tuple[FaultKind, ...]] = ()
    """What is always wrong with its answers, by the simulator."""
    accepts: ClassVar[bool] = True
    """Whether it takes connections."""

    def __init__(self, measure: Measure) -> None:
        self.measure = measure

    @classmethod
    def find_name(cls) -> str:
        """The name of the class in lower case, with hyphens."""
        return re.sub(r"(?<!^)(?=[A-Z])", "-", cls.__name__).lower()

    async def talk(self, line: "Line") -> None:
        """What happens on a connection, from its beginning to its end."""
        await line.converse()

    async def send(self, line: "Line", session: Session, frame: WrapperFrame, answer: bytes) -> None:
        """Send the answer to a frame."""
        await line.send(encode_frame(frame.destination, frame.source, answer))

    def refuse_association(self, meter: Meter) -> bytes | None:
        """What is answered to an AARQ instead of an AARE; None: the association is opened."""
        return None

    def respond(self, services: "HostileServices", request: Request) -> bytes:
        """The answer to a request in an association, in plain; raises :class:`Silence`."""
        return services.answer(request)

    def read(self, reference: AttributeReference) -> bytes | DataAccessResult | None:
        """The encoded value of an attribute, or why there is none; None: what the meter has."""
        return None


class HostileServices(ServiceHandler):
    """The services of an association with a hostile meter."""

    __slots__ = ("_kind",)

    def __init__(self, meter: Meter, association: Association, kind: Kind) -> None:
        super().__init__(meter, association)
        self._kind = kind

    def handle(self, request: Request) -> bytes:
        """Hostile as soon as the association is established."""
        return self._kind.respond(self, request) if self.association.established else self.answer(request)

    def answer(self, request: Request) -> bytes:
        """The answer of a meter that is not hostile."""
        return super().handle(request)

    def _read(self, reference: AttributeReference) -> bytes | DataAccessResult:
        value = self._kind.read(reference)
        return super()._read(reference) if value is None else value


class HostileSession(Session):
    """What one client and one hostile meter have going."""

    __slots__ = ("_kind",)

    def __init__(self, meter: Meter, client_address: int, server_address: int, kind: Kind) -> None:
        super().__init__(meter, client_address, server_address)
        self._kind = kind

    def _open(self, apdu: bytes) -> bytes:
        refusal = self._kind.refuse_association(self.meter)
        if refusal is not None:
            return refusal
        answer = super()._open(apdu)
        if self.association is not None:
            self._services = HostileServices(self.meter, self.association, self._kind)
        return answer


class Line:
    """One connection to the meters of a kind on one port."""

    def __init__(
        self, kind: Kind, fleet: Fleet, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.kind = kind
        self.reader = reader
        self.writer = writer
        self._fleet = fleet
        self._sessions: dict[tuple[int, int], HostileSession] = {}

    async def serve(self) -> None:
        """Until the end of the connection, whoever ends it."""
        try:
            await self.kind.talk(self)
        except (OSError, RemoteProtocolError, LocalProtocolError):
            pass  # The client has hung up, or speaks another protocol.
        finally:
            for session in self._sessions.values():
                session.close()
            self.writer.transport.abort()

    async def send(self, octets: bytes) -> None:
        """Send, as fast as the client reads. Raises OSError once it has hung up."""
        self.writer.write(octets)
        await self.writer.drain()

    async def drip(self, octets: bytes) -> None:
        """Send octet by octet."""
        for octet in octets:
            await self.send(bytes((octet,)))
            await asyncio.sleep(self.kind.measure.seconds_per_octet)

    async def flood(self, octets: bytes) -> None:
        """Send the same again and again, as fast as the client reads, until it has hung up."""
        while not self.reader.at_eof():
            await self.send(octets)
            await asyncio.sleep(0)

    async def wait_for_end(self) -> None:
        """Read whatever comes and say nothing, until the client hangs up."""
        while await self.reader.read(_READ_SIZE):
            pass

    async def converse(self) -> None:
        """Answer what comes in wrapper frames."""
        decoder = WrapperDecoder()
        while octets := await self.reader.read(_READ_SIZE):
            decoder.receive_data(octets)
            while (frame := decoder.take_frame()) is not None:
                session = self._find_session(frame)
                if session is None:
                    return
                try:
                    answer = session.receive(frame.apdu)
                except Silence:
                    continue
                if answer is not None:
                    await self.kind.send(self, session, frame, answer)

    def _find_session(self, frame: WrapperFrame) -> HostileSession | None:
        """The session between both addresses of a frame; None if there is no such meter."""
        key = frame.source, frame.destination
        session = self._sessions.get(key)
        meter = self._fleet.find_meter(0, frame.destination)
        if session is None and meter is not None:
            session = self._sessions[key] = HostileSession(meter, *key, self.kind)
        return session
