"""One connection to the simulator: which meter it is for, how and when it answers."""

import asyncio
import random
from collections import deque
from collections.abc import Callable

from osgp.catalogue.communication import Framing

from .between import Between
from .codec.errors import RemoteProtocolError
from .codec.hdlc import FLAG
from .faults import FaultKind, HangUp
from .fleet import Fleet
from .hdlc_link import HdlcLink
from .links import ApduReceived, Disconnected, FrameToSend, Link, WrapperLink
from .meter.meter import Meter
from .quirks import Quirk
from .session import Session

MAXIMUM_SESSIONS = 16
"""Pairs of client and logical device that may talk over one connection."""

MAXIMUM_WAITING = 32
"""Answers that may wait, by latency, on one connection."""

PAUSE_SECONDS = 3.0
"""How long a meter that needs a pause takes no other connection after one has ended."""

SLOW_SECONDS = 0.02
GARBAGE_OCTETS = 64
ENDLESS_OCTETS = 4_096

_WRAPPER_FIRST_OCTET = 0x00

_LINK_FAULTS = (
    FaultKind.HANG,
    FaultKind.GARBAGE,
    FaultKind.ENDLESS,
    FaultKind.DROP_MID_ANSWER,
    FaultKind.SLOW,
    FaultKind.WRONG_ADDRESS,
)

_STREAM_FAULTS = (FaultKind.ENDLESS, FaultKind.SLOW)
"""Where carriers have no stream of octets, there is no answer instead."""


def link_for(first_octet: int, find_quirks: Callable[[int], frozenset[Quirk]]) -> Link:
    """The link that a connection speaks, told by its first octet; ``find_quirks`` is for the meters on it."""
    if first_octet == _WRAPPER_FIRST_OCTET:
        return WrapperLink()
    if first_octet == FLAG:
        return HdlcLink(find_quirks)
    raise RemoteProtocolError(f"{first_octet:#04x} begins neither a wrapper frame nor an HDLC frame")


class Connection(asyncio.Protocol):
    """Feeds what arrives to the link, what the link finds to the sessions, and their answers back.

    It is for the meters on one port of the ``fleet``, and is in ``connections`` for as long as it is open.
    ``in_datagrams``: each write is a datagram.
    """

    def __init__(
        self,
        fleet: Fleet,
        port_index: int,
        connections: "set[Connection]",
        *,
        in_datagrams: bool = False,
    ) -> None:
        self._fleet = fleet
        self._connections = connections
        self.port_index = port_index
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._link: Link | None = None
        self._sessions: dict[tuple[int, int], Session] = {}
        self._between: dict[tuple[int, int], Between] = {}
        self._in_datagrams = in_datagrams
        self._waiting: deque[tuple[float, bytes, FaultKind | None]] = deque()
        self._paused = False
        self._endless = False
        self.last_activity = self._loop.time()

    # asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._connections.add(self)
        only = self._fleet.find_only_meter(self.port_index)
        if only is not None and (
            not only.is_reachable(only.settings.clock())
            or self._is_resting(only)
            or only.take_fault(FaultKind.REFUSE_CONNECTION)
        ):
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone, and with it the associations on it."""
        self._transport = None
        self._connections.discard(self)
        for session in self._sessions.values():
            session.close()
        for meter in {session.meter for session in self._sessions.values()}:
            meter.memory.connections -= 1
            meter.memory.rests_until = self._loop.time() + PAUSE_SECONDS
        self._sessions.clear()
        self._between.clear()

    def pause_writing(self) -> None:
        """The client does not read what it asked for: read no more of it either."""
        self._paused = True
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """The client reads again."""
        self._paused = False
        if self._transport is not None:
            self._transport.resume_reading()
            if self._endless:
                self._write_endlessly()

    def data_received(self, data: bytes) -> None:
        """Octets of the client."""
        self.last_activity = self._loop.time()
        try:
            link = self._link
            if link is None:
                link = self._link = link_for(data[0], self._find_quirks)
            link.receive_data(data)
            while self._transport is not None and not self._transport.is_closing():
                event = link.take_event()
                if event is None:
                    break
                if isinstance(event, ApduReceived):
                    self._receive(event)
                elif isinstance(event, FrameToSend):
                    self._send_frame(event)
                else:
                    self._disconnect(event)
        except RemoteProtocolError:
            self.close()

    def close(self) -> None:
        """Hang up, once what is written has left."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Hang up at once, also on a client that does not read."""
        if self._transport is not None:
            self._transport.abort()

    def is_reachable(self, now: float) -> bool:
        """Whether all meters on the connection still are within reach."""
        return all(session.meter.is_reachable(now) for session in self._sessions.values())

    @property
    def is_over(self) -> bool:
        """Whether nobody is associated, and nothing waits to be sent."""
        return not self._waiting and all(session.association is None for session in self._sessions.values())

    # Meters and sessions

    def _find_quirks(self, server_address: int) -> frozenset[Quirk]:
        """The quirks of the meter with this address; none if there is no such meter."""
        meter = self._fleet.find_meter(self.port_index, server_address)
        return meter.quirks if meter is not None else frozenset()

    def _choose_session(self, client_address: int, server_address: int) -> Session | None:
        session = self._sessions.get((client_address, server_address))
        if session is not None:
            return session
        meter = self._fleet.find_meter(self.port_index, server_address)
        if meter is None or not self._admit(meter):
            self.close()
            return None
        session = Session(meter, client_address, server_address)
        self._sessions[client_address, server_address] = session
        return session

    def _admit(self, meter: Meter) -> bool:
        """Whether the meter takes part in this connection."""
        wants_wrapper = meter.framing is Framing.WRAPPER
        if wants_wrapper != isinstance(self._link, WrapperLink) or len(self._sessions) >= MAXIMUM_SESSIONS:
            return False
        memory = meter.memory
        if not meter.is_reachable(meter.settings.clock()) or self._is_resting(meter):
            self.abort()
            return False
        if all(session.meter is not meter for session in self._sessions.values()):
            if memory.connections >= meter.behaviour.maximum_connections:
                return False
            memory.connections += 1
            memory.statistics.connections += 1
        if meter.take_fault(FaultKind.REFUSE_CONNECTION):
            memory.connections -= 1
            if self._transport is not None:
                self._transport.abort()
            return False
        return True

    def _is_resting(self, meter: Meter) -> bool:
        """Whether the meter still needs a pause after its last connection."""
        return Quirk.PAUSE_NEEDED in meter.quirks and self._loop.time() < meter.memory.rests_until

    def _receive(self, event: ApduReceived) -> None:
        session = self._choose_session(event.client_address, event.server_address)
        if session is None:
            return
        meter = session.meter
        if meter.record is not None and not meter.is_reachable(meter.settings.clock()):
            self.abort()
            return
        try:
            answer = session.receive(event.apdu)
        except HangUp:
            self.close()
            return
        behaviour = meter.behaviour
        if answer is None or (behaviour.loss and random.random() < behaviour.loss):
            return
        fault = meter.take_fault(*_LINK_FAULTS)
        if fault is FaultKind.HANG or (self._in_datagrams and fault in _STREAM_FAULTS):
            return
        link = self._link
        assert link is not None
        client, server, _ = event
        if meter.quirks:
            between = self._between.setdefault((client, server), Between())
            for frame in between.take(meter, link, client, server, answer):
                self._write_later(frame, behaviour.latency, None)
        octets = link.send(client, server, answer, fault is FaultKind.WRONG_ADDRESS)
        self._write_later(octets, behaviour.latency, fault)

    def _send_frame(self, event: FrameToSend) -> None:
        latency = (0.0, 0.0)
        octets = event.octets
        if event.opening:
            session = self._choose_session(event.client_address, event.server_address)
            if session is None:
                return
            latency = session.meter.behaviour.latency
            refusals = [FaultKind.SNRM_REFUSED]
            if event.parameterless:
                refusals.append(FaultKind.SNRM_PARAMETERS_REQUIRED)
            if session.meter.take_fault(*refusals):
                assert self._link is not None
                octets = self._link.refuse(event.client_address, event.server_address)
        self._write_later(octets, latency, None)

    def _disconnect(self, event: Disconnected) -> None:
        session = self._sessions.get((event.client_address, event.server_address))
        if session is not None:
            session.close()

    # Writing

    def _write_later(self, octets: bytes, latency: tuple[float, float], fault: FaultKind | None) -> None:
        """Write after the latency, but never before what is already waiting."""
        now = self._loop.time()
        due = now + (random.uniform(*latency) if latency[1] else 0.0)
        if due <= now and not self._waiting and fault is not FaultKind.SLOW:
            self._write(octets, fault)
            return
        if len(self._waiting) >= MAXIMUM_WAITING:
            self.close()
            return
        self._waiting.append((due, octets, fault))
        if len(self._waiting) == 1:
            self._loop.call_at(due, self._write_waiting)

    def _write_waiting(self) -> None:
        """Write the first that waits, and see when the next is due."""
        if self._transport is None:
            self._waiting.clear()
            return
        due, octets, fault = self._waiting.popleft()
        if fault is FaultKind.SLOW and len(octets) > 1:
            self._write(octets[:1], None)
            self._waiting.appendleft((due + SLOW_SECONDS, octets[1:], fault))
        else:
            self._write(octets, fault)
        if self._waiting:
            self._loop.call_at(self._waiting[0][0], self._write_waiting)

    def _write(self, octets: bytes, fault: FaultKind | None) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if fault is FaultKind.DROP_MID_ANSWER:
            transport.write(octets[: len(octets) // 2])
            transport.close()
        elif fault is FaultKind.GARBAGE:
            transport.write(b"\x55" + random.randbytes(GARBAGE_OCTETS - 1))
        elif fault is FaultKind.ENDLESS:
            self._endless = True
            self._write_endlessly()
        else:
            transport.write(octets)

    def _write_endlessly(self) -> None:
        """Write as long as the client reads; it is the sweep for idle connections that ends this at the
        latest."""
        transport = self._transport
        if transport is None or transport.is_closing() or self._paused:
            return
        transport.write(random.randbytes(ENDLESS_OCTETS))
        self._loop.call_soon(self._write_endlessly)
